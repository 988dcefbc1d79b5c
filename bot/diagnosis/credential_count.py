"""Counts what is shaped like a credential in a whole log, also in the lines no rule looks at. Pure."""

from __future__ import annotations

from bot.credentials import ANY_IN_BYTES, mask

LONGEST_LINE = 256 * 1024  # a line without end is counted in pieces, so that memory stays bounded


class CredentialCount:
    """Feed it the chunks of a log; `count` is good after `finish`."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        data = self._rest + chunk if self._rest else chunk
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > LONGEST_LINE:
            end = len(data)
        self._rest = data[end:]
        self._look(data, end)

    def finish(self) -> None:
        self._look(self._rest, len(self._rest))
        self._rest = b""

    def _look(self, data: bytes, end: int) -> None:
        """Most logs hold none: one search over everything says so."""
        at = 0
        while at < end and (found := ANY_IN_BYTES.search(data, at, end)):
            begins = data.rfind(b"\n", at, found.start()) + 1 or at
            ends = data.find(b"\n", found.start(), end)
            at = (ends if ends >= 0 else end) + 1
            self.count += mask(data[max(begins, 0) : at].decode("utf-8", "replace"))[1]
