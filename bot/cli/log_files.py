"""Opens what people have of a job log: a file, standard input, `.gz`, or the `.zip` archive of a run. Streams, bounded.

Archives are recognised by their first bytes, not by their names. What swells beyond `LARGEST` or by more than
`MOST_GROWTH` is refused: a log of some kilobytes that unpacks to gigabytes is not a log.
"""

from __future__ import annotations

import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

CHUNK = 1 << 18
LARGEST = 4 << 30  # bytes of one unpacked log
MOST_GROWTH = 1000  # times its packed size; text packs about 10 to 100 fold
FREE_GROWTH = 64 << 20  # below this, growth does not matter
MOST_ENTRIES = 10_000
LARGEST_ZIP = 256 << 20
_JOB_LOG = re.compile(r"^-?\d+_[^/]+\.txt$")  # of a run archive: one file a job, beside a folder with its steps


class UnreadableLog(Exception):
    """The file cannot be read as a log; the message is one line for a person."""


def chunks_of(name: str) -> Iterator[bytes]:
    """The bytes of the log in pieces. `-` is standard input. Raises UnreadableLog."""
    try:
        if name == "-":
            yield from _unpacked(sys.stdin.buffer, "standard input")
            return
        path = Path(name)
        if path.is_dir():
            raise UnreadableLog(f"{name}: is a directory, not a log")
        with path.open("rb") as file:
            yield from _unpacked(file, name)
    except OSError as error:
        raise UnreadableLog(f"{name}: {error.strerror or 'cannot be read'}") from None
    except (zlib.error, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnreadableLog(f"{name}: damaged archive ({type(error).__name__})") from None


def size_of(name: str) -> int | None:
    """Bytes of the log, None where only reading it tells: standard input, archives, what is no file."""
    try:
        path = Path(name)
        return path.stat().st_size if name != "-" and path.is_file() and not _is_packed(path) else None
    except OSError:
        return None


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"\x1f\x8b", b"PK")


def _unpacked(file: BinaryIO, name: str) -> Iterator[bytes]:
    first = file.read(CHUNK)
    if first.startswith(b"\x1f\x8b"):
        yield from _bounded(_gunzip(first, file), name)
    elif first.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _unzip(first, file, name)
    else:
        while first:
            yield first
            first = file.read(CHUNK)


def _gunzip(first: bytes, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Packed bytes read so far, and the next unpacked piece. Files of several members are one log."""
    packed, data = 0, first
    member = zlib.decompressobj(wbits=31)
    while data:
        packed += len(data)
        while data:
            piece = member.decompress(data, CHUNK)
            yield packed, piece
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                if not data.startswith(b"\x1f\x8b"):
                    return
                member = zlib.decompressobj(wbits=31)
        data = file.read(CHUNK)
    if not member.eof:
        raise EOFError


def _bounded(pieces: Iterator[tuple[int, bytes]], name: str) -> Iterator[bytes]:
    size = 0
    for packed, piece in pieces:
        size += len(piece)
        _refuse_bomb(packed, size, name)
        if piece:
            yield piece


def _refuse_bomb(packed: int, size: int, name: str) -> None:
    if size > LARGEST or (size > FREE_GROWTH and size > MOST_GROWTH * max(packed, 1)):
        raise UnreadableLog(f"{name}: refused, it unpacks to more than a job log can be")


def _unzip(first: bytes, file: BinaryIO, name: str) -> Iterator[bytes]:
    """The job logs of a run archive, one after the other, in the order of their numbers."""
    with _seekable(first, file, name) as source, zipfile.ZipFile(source) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MOST_ENTRIES:
            raise UnreadableLog(f"{name}: refused, {len(entries)} files are more than a run has")
        size = packed = 0
        for entry in _job_logs(entries):
            with archive.open(entry) as log:
                last = b"\n"
                while piece := log.read(CHUNK):
                    size += len(piece)
                    _refuse_bomb(packed + entry.compress_size, size, name)
                    yield piece
                    last = piece[-1:]
                if last != b"\n":
                    yield b"\n"
            packed += entry.compress_size


def _job_logs(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """One file a job; the files of single steps repeat it and are read only when no whole job is there."""
    jobs = [entry for entry in entries if _JOB_LOG.match(entry.filename)]
    texts = [entry for entry in entries if entry.filename.endswith((".txt", ".log"))]
    return sorted(jobs or texts or entries, key=lambda entry: _natural(entry.filename))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _seekable(first: bytes, file: BinaryIO, name: str) -> IO[bytes]:
    """A zip is read from its end: standard input has to be spooled."""
    if file.seekable():
        return file
    import tempfile  # only for a zip on standard input

    spool = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115 - the caller closes it
    size = len(first)
    spool.write(first)
    while piece := file.read(CHUNK):
        size += len(piece)
        if size > LARGEST_ZIP:
            raise UnreadableLog(f"{name}: refused, the archive is larger than {LARGEST_ZIP >> 20} MB")
        spool.write(piece)
    return spool
