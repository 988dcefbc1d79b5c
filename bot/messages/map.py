"""The answer to `/tokens map`: what hangs on a token, secret, repository or package, and what is wrong in the map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from bot.fleet.dependence import Answer, Link, Trouble, gathered
from bot.messages import text as t
from bot.messages.help import nearest
from bot.messages.message import Message, Part, context, message, section, table

MOST_ROWS = 25
MOST_TROUBLES = 8
_LEVELS = {"organization": "organisation", "repository": "repository", "environment": "environment"}


def map_message(found: Answer, troubles: Sequence[Trouble], scanned_at: datetime | None, now: datetime) -> Message:
    """`troubles`: of the whole map when everything was asked for, else those about this."""
    headline = _headline(found)
    troubles = gathered(troubles)
    lines = t.bullets(t.sentence(one.sentence, 300) for one in troubles[:MOST_TROUBLES])
    more = f"And {len(troubles) - MOST_TROUBLES:,} more: `python -m bot tokens map` shows them all."
    parts: list[Part | None] = [
        section(f"*{headline}*", _consequence(found)),
        *(_overview(found) if found.kind == "everything" else [_table(found.links)]),
        section("*To look at*", *lines, rank=1) if lines else None,
        context(more if len(troubles) > MOST_TROUBLES else "", _rest(found), _age(scanned_at, now), rank=2),
    ]
    return message(f"{headline}. {_consequence(found)}".strip(), parts)


def nothing_known(word: str, names: Sequence[str], scanned_at: datetime | None) -> Message:
    """`names`: those that have an answer."""
    near = nearest(word, names)
    said = f"Nothing on record is called {t.code(word, 80)}: no token, package, repository or secret."
    hint = f"Did you mean {t.listed([t.code(one, 80) for one in near]).replace(' and ', ' or ')}?" if near else ""
    if scanned_at is None:
        hint = f"{hint} Nothing was scanned yet: `python -m bot tokens scan ORG` reads the workflow files.".strip()
    return message(f"{said} {hint}".strip(), [section(said, hint)])


def nothing_scanned() -> Message:
    said = "There is nothing to draw yet: no workflow was read, and no token says where it is used."
    how = "`python -m bot tokens scan ORG` reads the workflow files; `/tokens edit NAME` records uses by hand."
    return message(f"{said} {how}", [section(f"*{said}*", how)])


def _headline(found: Answer) -> str:
    files = t.count(len(found.workflows), "workflow")
    repos = t.count(len(found.repositories), "repository", "repositories")
    name = t.code(found.name, 100)
    if found.kind == "everything":
        return f"{files} in {repos} publish"
    if found.kind == "token":
        return f"{name} is used by {files} in {repos}" if found.links else f"Nothing on record uses {name}"
    if found.kind == "secret":
        places = {link.secret for link in found.links}
        stored = f", stored in {len(places)} places" if len(places) > 1 else ""
        return f"{name} is read by {files} in {repos}{stored}"
    if found.kind == "package":
        none = f"No workflow on record publishes {name}"
        return f"{name} is published by {files} in {repos}" if found.links else none
    return f"{name} publishes from {files}" + (f" in {repos}" if found.kind == "organisation" else "")


def _consequence(found: Answer) -> str:
    """What would break, for what can be revoked."""
    if found.kind not in ("token", "secret") or not found.links:
        return ""
    stops = tuple(link for link in found.links if link.first)
    without = tuple(link for link in found.stops)
    files = len({link.file for link in without})
    packages = tuple(dict.fromkeys(package for link in without for package in link.packages))
    places = len({link.secret for link in found.links})
    verb = "Revoking it" if found.kind == "token" else "Deleting it" if places == 1 else f"Deleting all {places}"
    named = f": {t.listed([t.code(package, 80) for package in packages], 4)}" if packages else ""
    if not files:
        safe = "every job that reads it has a trusted publisher as well" if stops else "it only comes after others"
        return f"{verb} should stop no publish: {safe}."
    spared = len({link.file for link in stops}) - files
    also = f" {t.count(spared, 'workflow')} would go on by a trusted publisher." if spared > 0 else ""
    return f"{verb} stops {t.count(files, 'workflow')} from publishing{named}.{also}"


def _overview(found: Answer) -> list[Part | None]:
    """The secrets and publishers that most hangs on."""
    readers: Counter[str] = Counter()
    seen: set[tuple[str, tuple[str, str]]] = set()
    for link in found.links:
        for holder in _holders(link):
            if (holder, link.file) not in seen:
                seen.add((holder, link.file))
                readers[holder] += 1
    rows = [[name, f"{count:,}"] for name, count in readers.most_common(12)]
    ask = "`/tokens map NAME` shows what hangs on one token, secret, repository or package."
    return [table(["Most hangs on", "workflows"], rows, rank=1) if rows else None, context(ask)]


def _holders(link: Link) -> list[str]:
    """In words: the secret with its token, or the publishers."""
    if link.secret is not None and link.first:
        token = f" ({', '.join(link.tokens[:2])})" if link.tokens else " (no token on record)"
        return [link.secret.words + token]
    return [f"trusted publisher {name}" for name in link.publishers]


def _table(links: Sequence[Link]) -> Part | None:
    if not links:
        return None
    rows = []
    for link in links[:MOST_ROWS]:
        file = link.workflow.rpartition("/")[2]
        rows.append(
            [
                ", ".join((*link.tokens, *link.publishers)) or "none on record",
                _stored(link),
                " ".join(filter(None, (link.repo, file))),
                ", ".join(link.packages[:3]) + (f" +{len(link.packages) - 3}" if len(link.packages) > 3 else "") or "?",
            ]
        )
    return table(["Token", "Secret", "Workflow", "Package"], rows, rank=1)


def _stored(link: Link) -> str:
    if link.secret is None:
        return "OIDC" if link.publishers or link.by_identity else "none seen"
    level = _LEVELS.get(link.secret.level, link.secret.level)
    if link.secret.level == "environment":
        level = f"environment {link.secret.environment}"
    return f"{link.secret.name} ({level})" + ("" if link.seen else ", only recorded")


def _rest(found: Answer) -> str:
    if found.kind == "everything" or len(found.links) <= MOST_ROWS:
        return ""
    return f"The first {MOST_ROWS} of {len(found.links):,} lines: `python -m bot tokens map` shows all, and draws it."


def _age(scanned_at: datetime | None, now: datetime) -> str:
    if scanned_at is None:
        return "From what people recorded alone: nothing was scanned yet."
    return f"Workflow files were last looked through {t.relative(scanned_at, now)}."
