"""`tokens scan`: looks through an organisation or a repository for what publishes, and with which secrets."""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bot.cli import chosen_settings, open_database
from bot.clock import system_now
from bot.errors import GiveUp, TryAgain
from bot.fleet.inventory import Inventory, inventory
from bot.fleet.scan import Progress as Done
from bot.fleet.scan import Scan
from bot.fleet.suggestions import suggestions
from bot.github.auth import Auth
from bot.github.client import GitHub
from bot.github.run import REPO
from bot.logs import set_up_logging
from storage import fleet, fleet_rounds, tokens
from storage.database import Database
from storage.fleet import FleetRound, FleetSecret

_OWNER = r"[A-Za-z0-9][A-Za-z0-9\-]{0,99}"
_MOST = 20
_NOTHING = -1  # nothing came of it that could be shown


@click.command()
@click.argument("what", metavar="ORG|REPO")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def scan(what: str, as_json: bool) -> int:
    """Find every workflow that publishes, and the secrets it reads. ORG: acme; REPO: acme/ui.

    Needs GITHUB_TOKEN, or the App's id and key. A scan that is stopped, or that GitHub asks to wait, goes on where it
    was when the command is given again. What has not changed since the last scan is not asked for again.
    """
    if not REPO.fullmatch(what) and not re.fullmatch(_OWNER, what):
        raise click.UsageError("name an organisation (acme) or a repository (acme/ui)")
    set_up_logging("warning")
    with open_database() as db:
        try:
            code = asyncio.run(_scan(what, db))
        except KeyboardInterrupt:
            click.echo("Stopped. What was read is kept: give the command again to go on from here.", err=True)
            return 130
        if code == _NOTHING:
            return 1
        records = db.read_now(fleet.records)
        found = inventory(records, db.read_now(tokens.all_tokens))
        round_ = db.read_now(fleet_rounds.of_owner, what.partition("/")[0])
    of_what = _narrowed(found, what)
    if as_json:
        owner, _, name = what.lower().partition("/")
        stored = [one for one in records.secrets if one.owner == owner and (not name or one.repo in ("", what.lower()))]
        click.echo(json.dumps(_record(what, of_what, found, round_, stored)))
    else:
        _print(what, of_what, found, round_)
    return code


async def _scan(what: str, db: Database) -> int:
    async with _github() as github:
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
        )
        shown = bar if sys.stderr.isatty() else nullcontext()
        with shown:
            task = bar.add_task(what, total=None)

            def said(done: Done) -> None:
                words = f"{done.owner}: listing repositories" if done.listing else done.owner
                bar.update(task, description=words, completed=done.done, total=done.known)

            work = Scan(github, db, now=system_now, said=said)
            try:
                if "/" in what:
                    await work.repository(what)
                else:
                    await work.owner(what)
            except TryAgain as error:
                if error.reason == "github-unauthorized":
                    click.echo(f"Error: {what} cannot be scanned: {error.message}", err=True)
                    return _NOTHING
                minutes = math.ceil((error.after_s or 0) / 60)
                when = f" (for {minutes} minute{'s' if minutes > 1 else ''})" if minutes else ""
                click.echo(
                    f"Error: stopped, because {error.message}{when}; give the command again to go on from here",
                    err=True,
                )
                return 1
            except GiveUp as error:
                click.echo(f"Error: {what} cannot be scanned: {error.message}", err=True)
                return _NOTHING
    if "/" not in what and not db.read_now(fleet_rounds.count_of_owner, what):
        click.echo(f"Error: no repository of {what} is there, or within reach of the credential", err=True)
        return _NOTHING
    return 0


@asynccontextmanager
async def _github() -> AsyncIterator[GitHub]:
    settings = chosen_settings()
    async with aiohttp.ClientSession() as session:
        yield GitHub(session, settings.github_api_url, Auth(settings), system_now, settings.owners)


def _narrowed(found: Inventory, what: str) -> Inventory:
    """What of the inventory lies in the organisation or repository."""
    prefix = what.lower() if "/" in what else f"{what.lower()}/"

    def within(repo: str) -> bool:
        return repo.lower() == prefix or ("/" not in what and repo.lower().startswith(prefix))

    return Inventory(
        repositories={key: one for key, one in found.repositories.items() if within(key)},
        jobs=tuple(job for job in found.jobs if within(job.repo)),
        readings=tuple(one for one in found.readings if within(one.job.repo)),
        secrets=found.secrets,
        exposed=tuple(one for one in found.exposed if within(one.repo)),
        packages=found.packages,
        tokens=found.tokens,
        tokens_of=found.tokens_of,
        publishers_of=found.publishers_of,
        scanned_at=found.scanned_at,
    )


def _record(
    what: str, of_what: Inventory, found: Inventory, round_: FleetRound | None, stored: Sequence[FleetSecret]
) -> dict[str, Any]:
    """`secrets`: all whose dates could be read, Dependabot's (level `dependabot`) too; GitHub shows no value."""
    return {
        "scanned": what,
        "complete": "/" in what or bool(round_ and round_.finished_at),
        "requests": round_.requests if round_ else None,
        "unchanged": round_.unchanged if round_ else None,
        "lacking": list(round_.lacking) if round_ else [],
        "jobs": [
            {
                "repo": job.repo,
                "workflow": job.path,
                "job": job.job,
                "registry": job.registry,
                "packages": list(found.packages_of(job)),
                "environment": job.environment,
                "id_token": job.id_token,
                "self_hosted": job.self_hosted,
                "secrets": [
                    {
                        "name": one.place.name,
                        "level": one.place.level,
                        "updated_at": one.updated_at.isoformat() if one.updated_at else None,
                        "shadows": [place.level for place in one.shadowed],
                        "steps": list(job.steps_reading(one.place.name)),
                        "tokens": list(found.tokens_of.get(one.place, ())),
                    }
                    for one in of_what.readings
                    if one.job is job
                ],
                "trusted_publishers": list(found.publishers_of.get((job.repo.lower(), job.path, job.job), ())),
            }
            for job in of_what.jobs
        ],
        "secrets": [
            {
                "name": secret.name,
                "level": secret.level,
                "repo": secret.repo or None,
                "owner": secret.owner,
                "environment": secret.environment or None,
                "updated_at": secret.updated_at.isoformat(),
                "visibility": secret.visibility or None,
            }
            for secret in stored
        ],
        "exposed": [
            {"repo": one.repo, "path": one.path, "line": one.line, "what": one.what} for one in of_what.exposed
        ],
        "suggestions": [
            {"sentence": one.sentence, "command": one.command, "workflows": one.workflows}
            for one in suggestions(of_what)
        ],
    }


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing if number == 1 else thing[:-1] + 'ies' if thing.endswith('y') else thing + 's'}"


def _print(what: str, of_what: Inventory, found: Inventory, round_: FleetRound | None) -> None:
    files = {(job.repo, job.path) for job in of_what.jobs}
    repos = {repo for repo, _ in files}
    if files:
        so_far = "" if "/" in what or (round_ and round_.finished_at) else ", so far"
        verb = "publishes" if len(files) == 1 else "publish"
        click.echo(
            f"{what}: {_many(len(files), 'workflow')} that {verb}, in {_many(len(repos), 'repository')}{so_far}."
        )
    else:
        click.echo(f"{what}: no workflow that publishes was found.")
    if round_ is not None and "/" not in what:
        same = "1 answer was" if round_.unchanged == 1 else f"{round_.unchanged:,} answers were"
        click.echo(f"Asked GitHub {_many(round_.requests, 'time')}; {same} unchanged and cost nothing.")
        for line in round_.lacking:
            click.echo(f"Missing: {line}")
    for one in of_what.exposed[:_MOST]:
        click.echo(f"Written out: a credential ({one.what}) in {one.repo} {one.path} line {one.line}. Revoke it.")
    if len(of_what.exposed) > _MOST:
        click.echo(f"... and {len(of_what.exposed) - _MOST:,} more: --json shows all")
    proposed = suggestions(of_what)
    for suggestion in proposed[:_MOST]:
        click.echo(f"{suggestion.sentence} Add it?\n    {suggestion.command}")
    if len(proposed) > _MOST:
        click.echo(f"... and {len(proposed) - _MOST:,} more: --json shows all")
