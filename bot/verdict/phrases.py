"""How verdicts say names, times and lists: names from outside are cut, so that no sentence outgrows a card. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import PurePosixPath

import humanize

LONGEST_NAME = 60
MOST_NAMED = 3
LEVELS = {
    "organization": "organisation",
    "repository": "repository",
    "environment": "environment",
    "dependabot": "Dependabot",
    "dependabot-organization": "organisation's Dependabot",
}


def named(text: str, limit: int = LONGEST_NAME) -> str:
    """A name on one line, cut in its middle: scopes begin alike and versions end alike, both ends tell."""
    text = " ".join(text.replace("`", "'").split())
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[: limit - 1 - half]}…{text[-half:]}"


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b, c and 2 more`."""
    all_names = list(names)
    shown = [named(name) for name in all_names[:MOST_NAMED]]
    if len(all_names) > MOST_NAMED:
        shown.append(f"{len(all_names) - MOST_NAMED} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def span(delta: timedelta) -> str:
    """`3 hours`, `93 days`: days and not months, because tokens live by days."""
    delta = abs(delta)
    return humanize.naturaldelta(delta, months=False) if delta >= timedelta(minutes=1) else "less than a minute"


def ago(then: datetime, now: datetime) -> str:
    """`2 days ago`; clocks that differ a little do not make a future of it."""
    return f"{span(now - then)} ago" if now - then >= timedelta(minutes=1) else "just now"


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def file_name(workflow: str) -> str:
    return named(PurePosixPath(workflow).name or workflow)


def place(repo: str, level: str, environment: str | None = None) -> str:
    """Where a secret is kept: `organisation acme`, `acme/ui`, `environment npm of acme/ui`."""
    if level.endswith("organization"):
        organisation = f"organisation {named(repo.partition('/')[0])}"
        return organisation if level == "organization" else f"Dependabot's of {organisation}"
    if level == "dependabot":
        return f"Dependabot's of {named(repo)}"
    return f"environment {named(environment or '?')} of {named(repo)}" if level == "environment" else named(repo)
