"""Why did this run fail? The story of `bot.triage` on demand, for any run, also one the bot never heard of.

Nothing is written: no incident begins and no card is posted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.deps import Deps
from bot.diagnosis.diagnosis import Diagnosis
from bot.errors import GiveUp, TellUser, TryAgain
from bot.evidence import Evidence
from bot.github.run import Run, RunAddress
from bot.triage import Failure, diagnose_run, diagnosis_of_green, explain
from bot.verdict import Verdict
from storage import incidents
from storage.incidents import Incident

PATIENCE_S = 120.0  # a person waits for the answer; Slack's answer address lives for half an hour


@dataclass(frozen=True, slots=True)
class Explanation:
    """`failure`, `evidence` and `verdict` of a failed run; `published`: what the log of a green one says.

    `incident`: the unresolved one that this run is part of.
    """

    run: Run
    failure: Failure | None = None
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    published: Diagnosis | None = None
    incident: Incident | None = None


async def why(address: RunAddress, deps: Deps) -> Explanation:
    """Raises TellUser with what is lacking when the run cannot be read."""
    if not deps.github.configured:
        raise TellUser(
            "The bot has no access to GitHub, so it cannot read this run: set GITHUB_TOKEN,"
            " or GITHUB_APP_ID and GITHUB_PRIVATE_KEY. Until then `python -m bot diagnose FILE` reads a saved log."
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _why(address, deps)
    except TimeoutError:
        raise TellUser(f"Reading the run took longer than {PATIENCE_S:.0f} seconds. Try again in a while.") from None
    except TryAgain as error:
        raise TellUser(f"{_sentence(error.message)} Try again in a while.") from error
    except GiveUp as error:
        if error.reason == "github-not-found":
            raise TellUser(
                f"GitHub shows the bot no such run in {address.repo}. Check the link; if it is right, the bot's"
                " GitHub App is not installed there or its token does not reach that repository."
            ) from error
        raise TellUser(f"The run could not be read. {_sentence(error.message)}") from error


async def _why(address: RunAddress, deps: Deps) -> Explanation:
    run = await deps.github.run(address.repo, address.run_id, address.attempt)
    incident = await deps.db.read(incidents.unresolved_with_run, run.repo, run.run_id)
    if run.succeeded:
        return Explanation(run, published=await diagnosis_of_green(run, deps), incident=incident)
    if not run.failed:
        return Explanation(run, incident=incident)
    failure = await diagnose_run(run, deps)
    if failure is None:
        return Explanation(run, incident=incident)
    evidence, verdict = await explain(run, failure, deps)
    return Explanation(run, failure, evidence, verdict, incident=incident)


def _sentence(said: str) -> str:
    said = said.strip()
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
