"""What an incident waits for, when to look for it, and what shows that it has come. Pure.

Only the registry proves that a version is out. Where it cannot be read, the log of the next publish has to do, and the
sentence says which of the two it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.diagnosis.diagnosis import Diagnosis, PackageOutcome
from bot.evidence import Published
from bot.github.run import Run
from storage.awaited import Awaited, Failed
from storage.incidents import Incident

FIRST_LOOK = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
MOST_LOOKS = 29  # after 1, 2, 4, ... 32 minutes and then every hour: a day in all
# Of these the version is out already: what is awaited is a run that gets past it.
OUT_ALREADY = frozenset({"version-exists"})
# The workflow stopped before it came to publishing, so that any good run shows that it is mended.
_BEFORE_PUBLISHING = frozenset({"install-auth"})
_WAITING = {"failed": "failed", "unclear": "unclear", "staged": "staged"}


def waits_for(diagnosis: Diagnosis) -> tuple[Failed, ...]:
    """What a failed (or staged) run leaves to be published, and what it published all the same."""
    found: dict[str | None, Failed] = {}
    for outcome in diagnosis.packages:
        if outcome.outcome == "published":
            found[outcome.package] = Failed(outcome.package, outcome.version, "published")
        elif outcome.outcome in _WAITING:
            found[outcome.package] = Failed(outcome.package, outcome.version, _WAITING[outcome.outcome])
    main = diagnosis.package
    if main is not None and (main not in found or found[main].version is None) and diagnosis.cause != "github-auth":
        state = "staged" if diagnosis.outcome == "staged" else found[main].state if main in found else "failed"
        found[main] = Failed(main, diagnosis.version, state)
    if diagnosis.cause == "already-staged":
        found = {
            name: Failed(f.package, f.version, "staged") if f.state == "failed" else f for name, f in found.items()
        }
    if all(failed.state == "published" for failed in found.values()):
        found[None] = Failed(None, None, "failed")
    return tuple(found.values())


def watchable(incident: Incident, awaited: Awaited) -> bool:
    """Whether looking at the registry can show that it came."""
    return (
        (incident.registry or "npm") == "npm"
        and incident.verdict not in OUT_ALREADY
        and not awaited.settled
        and awaited.package is not None
        and awaited.version is not None
    )


def next_look(looks: int, now: datetime, *, staged: bool = False) -> datetime | None:
    """After so many looks; None when a day of them brought nothing. A staged version waits for a person, who may take
    longer."""
    if looks >= MOST_LOOKS and not staged:
        return None
    return now + min(FIRST_LOOK * (1 << min(looks, 10)), LONGEST_WAIT)


def is_live(awaited: Awaited, published: Published) -> bool:
    return awaited.version is not None and awaited.version in published.versions


def live_sentence(awaited: Awaited) -> str:
    return f"{awaited.package} {awaited.version} is on the registry."


@dataclass(frozen=True, slots=True)
class AfterGreen:
    """What a green run of the workflow means for something awaited.

    `settled`: the sentence that ends the wait, with `state` live (the registry lists it), published (the log says so)
    or green (the run went well and nothing more can be known); else `note` says why the wait goes on.
    """

    state: str
    settled: str | None = None
    note: str | None = None
    look_again: bool = False


def after_green(
    incident: Incident,
    awaited: Awaited,
    run: Run,
    *,
    same_run: bool,
    log: Diagnosis | None,
    published: Published | None,
) -> AfterGreen:
    """`same_run`: a later attempt of the run that failed; `log`: what its own log says, if it could be read;
    `published`: the package on the registry, None when it could not be read."""
    which = run.which
    attempt = f"attempt {run.attempt} of {which}"
    said = _said(log, awaited)
    run_name = f"{which[0].upper()}{which[1:]}"
    if published is not None and published.exists:
        if is_live(awaited, published):
            return AfterGreen("live", live_sentence(awaited))
        if said is not None and said.outcome == "published" and said.version in published.versions:
            instead = f", in place of {awaited.version}" if awaited.version else ""
            return AfterGreen("live", f"{published.name} {said.version} is on the registry{instead}.")
    if said is not None and said.outcome == "staged":
        return AfterGreen("staged", note=f"{_of(said, awaited)} is staged since {which} and waits for approval.")
    if published is not None and published.exists and awaited.version is not None:
        seen = (
            f"{run_name} was green and says that it published {_of(said, awaited)}, but the registry does not list it"
            " yet."
            if said is not None
            else f"{run_name} was green, but {awaited.name} is not on the registry."
        )
        return AfterGreen(awaited.state, note=seen, look_again=said is not None)
    if said is not None:
        by = attempt if same_run else which
        unread = "could not be read" if (incident.registry or "npm") == "npm" else "was not asked"
        if not run.on_github:
            return AfterGreen("published", f"It was published ({by}), as {run.workflow} says; the registry {unread}.")
        return AfterGreen("published", f"The workflow published again ({by}), as its log says; the registry {unread}.")
    if (
        same_run
        and (log is None or log.cause in ("published", "unknown", "not-a-publish"))
        and not _other(log, awaited)
    ):
        return AfterGreen("green", f"The re-run succeeded ({attempt}).")
    if incident.verdict in _BEFORE_PUBLISHING or incident.cause in _BEFORE_PUBLISHING:
        return AfterGreen("green", f"The workflow went well again ({which}).")
    return AfterGreen(awaited.state, note=f"{run_name} was green, but nothing shows that it published anything.")


def closing(settled: Sequence[Awaited]) -> str:
    """How it ended, when nothing is waited for any more: one sentence, whatever was seen."""
    ended = [awaited for awaited in settled if awaited.how and awaited.times]
    sentences = list(dict.fromkeys(awaited.how for awaited in ended if awaited.how))
    if len(sentences) == 1:
        return sentences[0]
    live = sum(awaited.state == "live" for awaited in ended)
    others = len(ended) - live
    if not ended:
        return "Nothing is waited for any more."
    if not others:
        return f"All {live} versions are on the registry."
    if not live:
        return f"All {others} were published again, by what the logs of later runs say."
    return f"{live} of {len(ended)} versions are on the registry; the others were published again, as later runs say."


def _said(log: Diagnosis | None, awaited: Awaited) -> PackageOutcome | None:
    """What a publishing log says of this package; logs do not always name one."""
    if log is None or log.outcome not in ("succeeded", "staged") or log.cause not in ("published", "staged"):
        return None
    outcome = "staged" if log.outcome == "staged" else "published"
    for package in log.packages:
        if package.package == awaited.package:
            return package if package.outcome in ("published", "staged") else None
    if log.package is not None and log.package == awaited.package:
        return PackageOutcome(log.package, log.version, outcome)
    named = {log.package, *(package.package for package in log.packages)} - {None}
    if named and awaited.package is not None:
        return None
    return PackageOutcome(awaited.package or log.package or "", log.version, outcome)


def _other(log: Diagnosis | None, awaited: Awaited) -> bool:
    """Whether the log names packages that it published, and not this one."""
    if log is None or log.cause != "published" or awaited.package is None:
        return False
    named = {log.package, *(package.package for package in log.packages)} - {None}
    return bool(named) and awaited.package not in named


def _of(said: PackageOutcome, awaited: Awaited) -> str:
    name = said.package or awaited.package
    version = said.version or awaited.version
    return " ".join(filter(None, (name, version))) or "the version"
