"""What stops working when: each token's own end and the dated rules of the registries, with the way out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from bot.fleet.ways_out import STATES, WayOut, counted
from bot.policy import Rule, ends_at, loses_publishing, rules
from storage.tokens import Token

AHEAD = timedelta(days=90)  # npm's longest life of a token that may write
RULES_AHEAD = timedelta(days=400)  # a rule is worth knowing of long before
NO_DEADLINE = frozenset({"session", "trusted-publisher"})

Why = Literal["expires", "stops-publishing"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """One token and one moment. `rule`: the registry's, when it is not the token's own end."""

    at: datetime
    why: Why
    token: Token
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class RuleDate:
    """A date of a registry: the tokens it stops, and those of the same kind that end before it and whose successors
    it would stop. `ways`: the way out for each package of the former, as far as that was looked up."""

    rule: Rule
    stops: tuple[Token, ...]
    ends_before: tuple[Token, ...]
    ways: tuple[WayOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """`over`: past their end and not revoked; `coming`: soonest first; `dates`: of the registries, soonest first."""

    now: datetime
    until: datetime
    over: tuple[Token, ...]
    coming: tuple[Deadline, ...]
    dates: tuple[RuleDate, ...]

    @property
    def expiring(self) -> tuple[Deadline, ...]:
        return tuple(deadline for deadline in self.coming if deadline.why == "expires")

    def with_tokens(self, full: Mapping[int | None, Token]) -> Deadlines:
        """The same about fuller records of some tokens, by id."""

        def fuller(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            return tuple(full.get(token.id, token) for token in tokens)

        return replace(
            self,
            over=fuller(self.over),
            coming=tuple(replace(one, token=full.get(one.token.id, one.token)) for one in self.coming),
            dates=tuple(
                replace(date, stops=fuller(date.stops), ends_before=fuller(date.ends_before)) for date in self.dates
            ),
        )

    def with_ways(self, ways: Mapping[str, Sequence[WayOut]]) -> Deadlines:
        """The same with the ways out, by the token's name; what asks for most thought first."""
        return replace(self, dates=tuple(replace(date, ways=_of_stops(date, ways)) for date in self.dates))


def deadlines(tokens: Iterable[Token], now: datetime, ahead: timedelta = AHEAD) -> Deadlines:
    """`tokens`: all that are not revoked; outlines will do, what they lack is only not told."""
    until = now + ahead
    alive, over, coming = [], [], []
    for token in tokens:
        end = None if token.kind in NO_DEADLINE else ends_at(token)
        if token.revoked_at is not None or token.kind in NO_DEADLINE:
            continue
        if end is not None and end <= now:
            over.append(token)
            continue
        alive.append(token)
        if end is not None and end <= until:
            coming.append(Deadline(end, "expires", token))
        stop = loses_publishing(token)
        if stop is not None and now < stop.at <= now + max(ahead, RULES_AHEAD):
            coming.append(Deadline(stop.at, "stops-publishing", token, stop.rule))
    coming.sort(key=lambda deadline: (deadline.at, deadline.token.name, deadline.why))
    return Deadlines(
        now,
        until,
        tuple(sorted(over, key=lambda token: (ends_at(token) or now, token.name))),
        tuple(coming),
        tuple(_dates(alive, coming, now, now + max(ahead, RULES_AHEAD))),
    )


def _of_stops(date: RuleDate, ways: Mapping[str, Sequence[WayOut]]) -> tuple[WayOut, ...]:
    found = [way for token in date.stops for way in ways.get(token.name, ())]
    return tuple(sorted(found, key=lambda way: (STATES.index(way.state), way.package, way.token)))


def _dates(alive: Sequence[Token], coming: Sequence[Deadline], now: datetime, until: datetime) -> Iterable[RuleDate]:
    for rule in rules():
        if rule.effect != "no-direct-publish" or not now < rule.at <= until:
            continue
        stopped = tuple(one.token for one in coming if one.rule is not None and one.rule.id == rule.id)
        names = {token.name for token in stopped}
        before = tuple(token for token in alive if token.name not in names and rule.holds_for(token))
        yield RuleDate(rule, stopped, before)


def _of_packages(ways: Sequence[WayOut]) -> str:
    if len(ways) == 1:
        return {
            "ready": "trusted publishing is ready for it",
            "needs": "trusted publishing, after a change",
            "not-possible": "stage versions and approve them",
            "unknown": "whether trusted publishing can be is not known",
        }[ways[0].state]
    counts = Counter(way.state for way in ways)
    return ", ".join(counted(counts[state], state) for state in reversed(STATES) if counts[state])


def way_out(token: Token, why: Why, ways: Sequence[WayOut] = ()) -> str:
    """What to do about it: one sentence of ours in which `backticks` mark what to copy. `ways`: of its packages, when
    they were looked up."""
    rotate = f"`/tokens rotate {token.name}`"
    if why == "expires":
        return f"replace it before: {rotate}" if token.owner else f"give it an owner, then replace it: {rotate}"
    if ways:
        return f"{_of_packages(ways)}: {rotate}"
    if not token.used_by:
        return f"say where it is used (`/tokens edit {token.name}`); a GitHub workflow can publish without a token"
    if all(use.workflow and use.level != "elsewhere" for use in token.used_by):
        return f"let its workflows publish by their own identity, without a token: {rotate}"
    return f"stage versions and approve them, or publish from a CI that npm trusts: {rotate}"
