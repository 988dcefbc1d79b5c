"""Words from outside stay words: escaped, cut and stripped of everything that hides or acts."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_limits import units, unsafe

from bot.messages import text as t

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outside", "shown"),
    [
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
        ("*bold* ~gone~ `code`", "\u2217bold\u2217 \u223cgone\u223c 'code'"),
        ("_slanted_", "\u02cdslanted\u02cd"),
        ("NPM_TOKEN of my_pkg", "NPM_TOKEN of my_pkg"),
        (":x: done", ":\u200bx: done"),
        ("> quoted", "\u203a quoted"),
        ("one\r\ntwo\u2028three", "one two three"),
        ("main\u202egpj.exe", "maingpj.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("nul\x00 and \x1b[31m", "nul and [31m"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("  spaces   fold ", "spaces fold"),
    ],
)
def test_prose_from_outside(outside, shown):
    assert t.mrkdwn(outside) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("@acme/my_pkg*~", "`@acme/my_pkg*~`"),
        ("a`b``` c", "`a'b''' c`"),
        ("feature/<!here>", "`feature/&lt;!here&gt;`"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_names_are_exact_code_spans(name, shown):
    assert t.code(name) == shown


@given(hostile.text, st.integers(1, 700))
def test_safe_text_is_never_longer_than_asked_and_never_acts(text, limit):
    for shown in (t.mrkdwn(text, limit), t.prose(text, 500), t.sentence(text)):
        assert unsafe(shown) == []
    assert units(t.mrkdwn(text, limit)) <= limit
    assert units(t.plain(text, limit)) <= limit
    assert units(t.code(text, limit)) <= limit + 2
    assert "<!" not in t.plain(text)


@given(st.text(max_size=200), st.integers(0, 50))
def test_a_cut_keeps_the_beginning(text, limit):
    kept = t.cut(text, limit)
    assert units(kept) <= limit
    if units(text) <= limit:
        assert kept == text
    elif limit:
        assert kept.endswith("…")
        assert text.startswith(kept[:-1])


def test_a_cut_never_leaves_half_an_escape():
    for limit in range(1, 60):
        assert re.fullmatch(r"(&amp;|&lt;)*…?", t.mrkdwn("&<" * 40, limit))


def test_no_invisible_character_is_left_in_any_plane():
    """Format characters that are visible (Arabic number signs) may stay."""
    everything = "".join(map(chr, range(0x20, 0x110000)))
    left = {character for character in t.clean(everything) if unicodedata.category(character) in ("Cc", "Cs")}
    assert left == {"\n"}
    assert not set("\u200b\u200d\u202e\u2066\u2069\ufeff\u00ad\U000e0041") & set(t.clean(everything))


def test_commands_in_our_sentences_become_code():
    assert t.prose("Run `npm token create`, then re-run") == "Run `npm token create`, then re-run."
    assert t.prose("Type `/tokens add`") == "Type `/tokens add`"
    assert t.prose("one ` alone") == "one ' alone."
    assert t.prose("`<!channel>` and *x*") == "`&lt;!channel&gt;` and \u2217x\u2217."


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "https://evil.example/|x", "https://evil.example/>x", "https://a b", "http:///x",
        "ftp://x/", "", "https://x/" + "a" * 3000, "https://user:secret@host/", "https://x/\ud800", "https://x/\u202e",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_only_its_label(url):
    assert t.link(url, "Open the run") == "Open the run"


def test_a_link_escapes_its_address():
    assert t.link("https://x.example/?a=1&b=2", "a|b>c") == "<https://x.example/?a=1&amp;b=2|a|b&gt;c>"


@pytest.mark.parametrize(
    ("said", "days", "shown"),
    [
        ("Token a expired 2 days ago.", 0.9, "Token a expired 2 days ago."),
        ("Token a expired 2 days ago.", 3.5, "Token a expired about 5 days ago."),
        ("Token a expired a day ago.", 1, "Token a expired about 2 days ago."),
        ("It ended 3 hours ago and was seen just now.", 1.2, "It ended about a day ago and was seen about a day ago."),
        ("It ended 1,200 days ago.", 2, "It ended about 3 years ago."),
        ("Written on 2026-08-24, 93 days ago, at repository level.", 7,
         "Written on 2026-08-24, about 100 days ago, at repository level."),
        ("A token of 2 days that ends in 5 days.", 7, "A token of 2 days that ends in 5 days."),
    ],
)  # fmt: skip
def test_what_was_said_days_ago_is_told_as_of_now(said, days, shown):
    assert t.aged(said, timedelta(days=days)) == shown


def test_only_a_user_id_is_mentioned():
    assert t.mention("U012AB3CD") == "<@U012AB3CD>"
    assert t.mention("!channel") == "!channel"
    assert t.mention("U1> <!here") == "U1&gt; &lt;!here"
    assert t.mention(None) == "nobody"


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=30), "in a moment"),
        (timedelta(minutes=-5), "5 minutes ago"),
        (timedelta(hours=3), "in 3 hours"),
        (timedelta(days=1), "in a day"),
        (timedelta(days=-2, hours=-1), "2 days ago"),
        (timedelta(days=-93), "93 days ago"),
    ],
)
def test_relative_times_read_as_people_say_them(delta, said):
    assert t.relative(NOW + delta, NOW) == said


def test_dates_are_shown_in_the_readers_zone_and_fall_back_to_utc():
    assert t.date(NOW) == "<!date^1795512600^{date_short_pretty} {time}|2026-11-24 09:30 UTC>"
    assert t.age(NOW) == "<!date^1795512600^{date_short_pretty} {time} ({ago})|2026-11-24 09:30 UTC>"
    assert t.day(NOW) == "<!date^1795512600^{date_short_pretty}|2026-11-24>"


@pytest.mark.parametrize(
    ("items", "most", "total", "said"),
    [
        ([], None, None, ""),
        (["a"], None, None, "a"),
        (["a", "b"], None, None, "a and b"),
        (["a", "b", "c", "d", "e"], 2, None, "a, b and 3 more"),
        (["a", "b"], 2, 5000, "a, b and 4,998 more"),
    ],
)
def test_lists_read_as_sentences(items, most, total, said):
    assert t.listed(items, most, total) == said


def test_safe_text_is_cut_before_what_would_be_left_in_halves() -> None:
    for whole in ("&amp;", "<@U012AB3CD>", "<!date^1^{date}|2026-11-25>", "<https://acme.example|run>"):
        for limit in range(8, 8 + len(whole)):
            made = t.cut_escaped(f"words {whole} and more of them, &amp; &lt;", limit)
            assert t.length(made) <= limit
            assert made.count("<") == made.count(">")
            assert not re.search("&(?!amp;|lt;)", made), made
