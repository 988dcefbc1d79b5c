"""`/tokens why RUN-URL`: diagnose a run now."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.github.run import run_address
from bot.incidents import Facts
from bot.messages.help import needs
from bot.messages.why import failed_run, run_without_failure
from bot.triage import as_incident
from bot.why import why
from handlers.slack.requests import Command, Reply
from storage import tokens


async def explain_run(command: Command, deps: Deps) -> Reply:
    await deps.permissions.must_be_member(command.user)
    if not command.argument:
        return Reply(needs("why"))
    address = run_address(command.argument)
    if address is None:
        raise TellUser(
            "That is no link to a workflow run. It looks like https://github.com/acme/ui/actions/runs/812: open the"
            " failed run on GitHub and copy its address."
        )
    found = await why(address, deps)
    if found.failure is None or found.evidence is None or found.verdict is None:
        return Reply(run_without_failure(found.run, found.published, found.incident))
    failure = as_incident(found.run, found.failure, found.evidence, found.verdict, deps)
    token = await deps.db.read(tokens.by_id, failure.token_id) if failure.token_id is not None else None
    return Reply(failed_run(failure, Facts.from_json(failure.facts), token, found.incident, deps.now()))
