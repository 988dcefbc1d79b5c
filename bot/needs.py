"""What needs an operator, and what is said of it: once, in one message that is kept up to date. Pure.

A thing is told when it begins. While it lasts its message follows it silently, and it is told again only when there is
more of it a day later. What ends and begins again within the hour is the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from storage.needs import Told

AGAIN_AFTER = timedelta(days=1)
SAME_WITHIN = timedelta(hours=1)
WAITS_TOO_LONG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Need:
    """`kind`: a kebab-case word; `text`: the fact, then what to do; `count`: how many of it there are."""

    kind: str
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Word:
    """Something to say. `post`: as a message of its own, otherwise by changing the one that is there."""

    told: Told
    post: bool


def words(told: Mapping[str, Told], needs: Sequence[Need], now: datetime) -> list[Word]:
    """What is to be said now, given what was said before."""
    said = []
    for need in needs:
        before = told.get(need.kind)
        if before is None or _tell_again(before, need, now):
            key = f"operators:{need.kind}:{int(now.timestamp() * 1000)}"
            said.append(Word(Told(need.kind, need.text, need.count, key, now, None), post=True))
        elif before.text != need.text or before.over_at is not None:
            # `count` stays what it was when somebody was last notified.
            said.append(Word(replace(before, text=need.text, over_at=None), post=False))
    there = {need.kind for need in needs}
    for kind, before in told.items():
        if kind not in there and before.over_at is None:
            said.append(Word(replace(before, over_at=now), post=False))
    return said


def _tell_again(before: Told, need: Need, now: datetime) -> bool:
    if before.over_at is not None and now - before.over_at >= SAME_WITHIN:
        return True
    return need.count > before.count and now - before.told_at >= AGAIN_AFTER


def given_up(count: int, reason: str | None) -> Need:
    """Deliveries that were tried for a day in vain."""
    what = "1 GitHub delivery was" if count == 1 else f"{count:,} GitHub deliveries were"
    return Need(
        "dead-deliveries",
        f"{what} given up{_last(reason)}: what they tell of is on no card."
        " See `python -m bot deliveries list --state dead`, mend the reason,"
        " then `python -m bot deliveries replay ID`.",
        count,
    )


def unsaid(count: int, reason: str | None) -> Need:
    """Messages that Slack never took."""
    what = "1 message" if count == 1 else f"{count:,} messages"
    return Need("dead-messages", f"{what} could not be said in Slack and {_was(count)} given up{_last(reason)}.", count)


def behind(count: int, since: datetime, now: datetime, reason: str | None) -> Need | None:
    """Deliveries that wait much longer than a short outage."""
    if now - since < WAITS_TOO_LONG:
        return None
    what = "1 GitHub delivery waits" if count == 1 else f"{count:,} GitHub deliveries wait"
    return Need(
        "behind",
        f"{what}, the oldest since {since:%Y-%m-%d %H:%M} UTC{_last(reason)}. They are tried again by themselves;"
        " `python -m bot check` says what does not work.",
    )


def refused_by_github(what: str) -> Need:
    """`what`: in GitHub's words, without anything secret."""
    return Need(
        "github-credentials",
        f"GitHub does not take the bot's credentials ({what}): no job log can be read."
        " Mend GITHUB_TOKEN, or GITHUB_APP_ID with GITHUB_PRIVATE_KEY, and restart; `python -m bot check` tells more.",
    )


def not_looked_through(where: Mapping[str, str]) -> Need:
    """`where`: what the sweep may not look through -> why."""
    listed = "; ".join(f"{name} ({why})" for name, why in sorted(where.items())[:5])
    more = f" and {len(where) - 5} more" if len(where) > 5 else ""
    return Need(
        "sweep",
        f"Lost deliveries cannot be looked for everywhere: {listed}{more}."
        " Grant the bot the permission, or take the entry out of GITHUB_HOOKS.",
        len(where),
    )


def wrong(what: str, said: str, mend: str) -> Need:
    """As the doctor finds it: other bots on the database, requests that are signed wrongly."""
    return Need(f"wrong-{what}", f"{said[:1].upper()}{said[1:]}. {mend}")


def storage_trouble(what: str) -> Need:
    """`what`: as the database or its disk says it."""
    return Need("database", f"The database is in trouble: {what}. Webhooks that cannot be stored are answered 503.")


def not_set_up(missing: Sequence[str]) -> Need:
    """`missing`: one line for each setting."""
    return Need("settings", f"{'. '.join(missing)}.", len(missing))


def _last(reason: str | None) -> str:
    return f" (last reason: {reason})" if reason else ""


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
