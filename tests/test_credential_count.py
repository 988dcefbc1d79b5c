"""What a log holds of credentials is counted over all of it, whatever the chunks and whichever lines are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.diagnosis.credential_count import CredentialCount
from bot.diagnosis.engine import diagnose

TOKEN = b"npm_" + b"aB3dE6gH9k" * 3 + b"aB3dE6"


def counted(*chunks: bytes) -> int:
    count = CredentialCount()
    for chunk in chunks:
        count.feed(chunk)
    count.finish()
    return count.count


def test_a_credential_in_a_line_nobody_looks_at_is_counted() -> None:
    log = b"a line\nthe value is " + TOKEN + b" here\n" + b"noise\n" * 1000
    assert diagnose(log).secrets_masked == 1


def test_what_was_hidden_already_is_not_counted() -> None:
    assert counted(b"NODE_AUTH_TOKEN: ***\n//registry.npmjs.com/:_authToken=***\nnpm_***\n") == 0


@given(st.lists(st.integers(1, 40), max_size=30))
def test_chunks_do_not_change_the_count(sizes: list[int]) -> None:
    log = b"x " + TOKEN + b"\n" + b"y\n" * 20 + TOKEN + b" " + TOKEN
    chunks, at = [], 0
    for size in sizes:
        chunks.append(log[at : at + size])
        at += size
    assert counted(*chunks, log[at:]) == counted(log) == 3


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_without_a_crash(data: bytes) -> None:
    assert counted(data) >= 0
