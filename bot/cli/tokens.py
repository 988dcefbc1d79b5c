"""`tokens`: the store of token metadata in a terminal."""

from __future__ import annotations

import codecs
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from bot import token_changes
from bot.cli import open_database, operator
from bot.cli.completion import complete_token_names
from bot.cli.deadline_output import deadline_records, print_deadlines
from bot.cli.terminal import Group, progress
from bot.cli.token_output import plan_record, print_list, print_plan, print_token
from bot.credentials import mask
from bot.deadlines import deadlines
from bot.fleet.ways_out import ways_of_records
from bot.probe_workflow import probe_workflow, probed_use
from bot.token_fields import FIELDS, KINDS, PERMISSIONS, REGISTRIES, Problem, nearest, read_fields
from bot.token_import import bring_in, read
from bot.token_metadata import MetadataProblems, contradictions, read_use, to_csv, to_json
from storage import fleet, package_looks, token_search
from storage import tokens as store
from storage.database import Database
from storage.token_search import TokenFilter
from storage.tokens import Token

F = TypeVar("F", bound=Callable[..., Any])
_STATES = ("live", "ended", "revoked", "endless")
_OPTION_OF = {
    "packages": "--package",
    "scopes": "--scope",
    "orgs": "--org",
    "created_at": "--created",
    "expires_at": "--expires",
    "last_used_at": "--last-used",
    "revoked_at": "--revoked",
}
_LISTS = {"packages", "scopes", "orgs", "cidr", "used_by"}
_OF_THE_FLEET = {
    "scan": ("bot.cli.scan", "scan"),
    "map": ("bot.cli.map", "map_"),
    "audit": ("bot.cli.audit", "audit"),
    "calendar": ("bot.cli.calendar", "calendar"),
}
_NAME = click.argument("name", shell_complete=complete_token_names)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


class _BadInput(click.ClickException):
    """Every problem on its own line."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"Error: {line}", file=file, err=file is None)


class _No(_BadInput):
    """The answer is no."""

    exit_code = 1


class _Commands(Group):
    """With the commands about the fleet, whose code is imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_OF_THE_FLEET]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _OF_THE_FLEET:
            return super().get_command(ctx, name)
        module, attribute = _OF_THE_FLEET[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Commands)
def tokens() -> None:
    """The store of token metadata: what is known about each token, never its value."""


@tokens.command("list")
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--registry", help="Only tokens of this registry.")
@click.option("--kind", help="Only tokens of this kind.")
@click.option("--owner", help="Only tokens this Slack member owns or backs up.")
@click.option("--state", type=click.Choice(_STATES), help="endless: without a known end.")
@click.option("--limit", type=click.IntRange(1), help="At most so many (default: 100 in a table, all with --json).")
@_JSON
def list_(
    words: tuple[str, ...],
    registry: str | None,
    kind: str | None,
    owner: str | None,
    state: token_search.State | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Tokens, the soonest end first.

    FILTER: words that must occur in the name, a package, scope, repository, secret or the note.
    """
    now = _now()
    registry, kind, owner = (value if value is None else _readable(value) for value in (registry, kind, owner))
    wanted = TokenFilter(tuple(map(_readable, words)), registry=registry, kind=kind, owner=owner, state=state)
    with open_database() as db:
        total = db.read_now(token_search.count, wanted, now=now)
        shown = limit or (None if as_json else 100)
        found = db.read_now(token_search.search, wanted, now=now, limit=shown)
    if as_json:
        for token in found:
            click.echo(json.dumps(to_json(token)))
    elif found:
        print_list(found, total, now)
    else:
        click.echo("No token matches." if wanted != TokenFilter() else "No tokens yet: add one, or import a file.")


@tokens.command()
@_NAME
@click.option("--probe", is_flag=True, help="Print a GitHub workflow that checks daily that the token lives.")
@click.option("--repo", help="With --probe: the repository to run it in, if there are several.")
@_JSON
def show(name: str, probe: bool, repo: str | None, as_json: bool) -> None:
    """Everything known about one token."""
    with open_database() as db:
        token = _found(db, name)
    if probe:
        click.echo(_probe(token, repo), nl=False)
    elif as_json:
        click.echo(json.dumps(to_json(token) | {"contradictions": list(contradictions(token, _now()))}))
    else:
        print_token(token, _now())


def _fields(command: F) -> F:
    """The options of `add` and `edit`: one for each field of a record."""
    options = (
        click.option("--registry", help=f"One of {', '.join(REGISTRIES)}."),
        click.option("--kind", help=f"One of {', '.join(KINDS)}."),
        click.option("--permission", help=f"One of {', '.join(PERMISSIONS)}."),
        click.option("--package", "packages", multiple=True, help="A package it may publish; repeat for more."),
        click.option(
            "--scope", "scopes", multiple=True, help="A scope it may publish, such as @acme; repeat for more."
        ),
        click.option("--org", "orgs", multiple=True, help="An organisation it may manage; repeat for more."),
        click.option("--cidr", multiple=True, help="An IPv4 range it may be used from; repeat for more."),
        click.option(
            "--bypass-2fa/--no-bypass-2fa", default=None, help="Whether it bypasses two-factor authentication."
        ),
        click.option("--bypass-reason", help="Why it bypasses two-factor authentication."),
        click.option("--hint", help="Its first 8 and last 4 characters: npm_aBcD...7890. Never the token."),
        click.option("--created", "created_at", help="When it was made: 2026-11-01, or with time and zone."),
        click.option("--expires", "expires_at", help="When it ends; without it, computed from kind and creation."),
        click.option("--last-used", "last_used_at", help="When it was last used."),
        click.option("--revoked", "revoked_at", help="When it was revoked."),
        click.option("--owner", help="Slack member ID of who is reminded and asked."),
        click.option("--backup-owner", help="Slack member ID of who can replace it when the owner is away."),
        click.option("--account", help="The registry account it belongs to."),
        click.option("--note", help="Anything people should know."),
        click.option(
            "--used-by",
            multiple=True,
            metavar="REPO:WORKFLOW:SECRET:LEVEL[:ENV]",
            help="Where it is used; repeat for more. LEVEL: organization, repository, environment, elsewhere.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@tokens.command()
@click.argument("name")
@_fields
@_JSON
def add(name: str, as_json: bool, **options: Any) -> None:
    """Add one token."""
    with open_database() as db:
        token = _saved(db, {"name": name, **_record(options)}, None)
    _say(token, "Added", as_json)


@tokens.command()
@_NAME
@_fields
@click.option("--rename", metavar="NEW", help="Give it another name.")
@click.option("--clear", multiple=True, metavar="FIELD", help="Empty a field, such as expires_at; repeat for more.")
@_JSON
def edit(name: str, rename: str | None, clear: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Change one token: what is given replaces what was there, lists as a whole; the rest stays."""
    record = _record(options) | ({"name": rename} if rename is not None else {})
    for field in clear:
        record[_field_to_clear(field)] = [] if field in _LISTS else None
    if not record:
        raise _BadInput("nothing to change: give an option, or --clear FIELD")
    with open_database() as db:
        token = _saved(db, record, _found(db, name))
    _say(token, "Changed", as_json)


@tokens.command()
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Forget one token. What was audited about it stays. A revoked one may as well be kept, for the record."""
    with open_database() as db:
        token = _found(db, name)
        if not yes:
            if not sys.stdin.isatty():
                raise _BadInput("say --yes to remove without being asked")
            click.confirm(f"Remove {token.name} ({token_changes.summary_of(token)})?", abort=True)
        db.write_now(token_changes.remove, token, who=operator(), now=_now())
    click.echo(f"Removed {token.name}.")


@tokens.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Show what would change and store nothing.")
@click.option("--account", help="npm account whose token list this is; needed when several accounts are imported.")
@click.option("--owner", help="Slack member ID for tokens that nobody owns yet.")
@click.option("--package", help="The package of an npm trust list, which does not name it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_(
    file: str, dry_run: bool, account: str | None, owner: str | None, package: str | None, as_json: bool
) -> None:
    """Import tokens from FILE (- for standard input): all or nothing.

    FILE holds records as JSON or CSV (see export), or what npm token list --json or npm trust list --json printed. For
    the trust lists of several packages, put each name on a line above what npm printed for it.

    Records change tokens of the same name by the fields they mention. npm's list updates the tokens it knows by id or
    by hint, and marks those as revoked that an earlier list of the same account had and this one has not.
    """
    _checked({"account": account, "owner": owner})
    text = _text(file)
    try:
        incoming = read(text, account=account, package=package)
        with open_database() as db, progress("Storing tokens") as said:
            run = db.read_now if dry_run else db.write_now
            plan = run(bring_in, incoming, who=operator(), now=_now(), owner=owner, dry_run=dry_run, said=said)
    except MetadataProblems as problems:
        raise _BadInput(problems.message) from None
    if as_json:
        click.echo(json.dumps(plan_record(plan, dry_run=dry_run)))
    else:
        print_plan(plan, dry_run=dry_run)


@tokens.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), help="Default: csv for FILE.csv, else json.")
def export(file: str, form: str | None) -> None:
    """Write every token to FILE (standard output without one), ready to be imported again."""
    with open_database() as db:
        found = db.read_now(store.all_tokens)
    if (form or ("csv" if file.lower().endswith(".csv") else "json")) == "csv":
        text = to_csv(found)
    else:
        text = json.dumps([to_json(token) for token in found], indent=2, ensure_ascii=False) + "\n"
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise _BadInput(f"cannot write {file}: {error.strerror}") from None


@tokens.command("deadlines")
@click.option("--days", type=click.IntRange(1, 400), default=90, show_default=True, help="How far to look ahead.")
@_JSON
def deadlines_(days: int, as_json: bool) -> None:
    """What stops working when: each token's own end, and the dates of the registries; who and what, and the way out."""
    now = _now()
    with open_database() as db:
        every = db.read_now(store.all_tokens)
        found = deadlines(every, now, timedelta(days=days))
        records, looks = db.read_now(fleet.records), db.read_now(package_looks.everything)
    stopped = list({token.name: token for date in found.dates for token in date.stops}.values())
    trusted = [token for token in every if token.registry == "npm" and token.kind == "trusted-publisher"]
    found = found.with_ways(ways_of_records(records, looks, trusted, stopped))
    if as_json:
        for row in deadline_records(found):
            click.echo(json.dumps(row))
    else:
        print_deadlines(found)


def _now() -> datetime:
    return datetime.now(UTC)


def _readable(text: str) -> str:
    """Arguments that are no UTF-8 reach Python as lone surrogates, which no database takes."""
    return text.encode("utf-8", "replace").decode()


def _found(db: Database, name: str) -> Token:
    name = _readable(name)
    token = db.read_now(store.get, name)
    if token is None:
        near = nearest(name, db.read_now(store.names))
        # People paste tokens where names belong.
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise _No(f"there is no token {mask(name)[0]}{hint}")
    return token


def _saved(db: Database, record: Mapping[str, object], before: Token | None) -> Token:
    try:
        return db.write_now(token_changes.save, record, before, who=operator(), now=_now())
    except MetadataProblems as problems:
        raise _BadInput(_by_option(problems)) from None


def _checked(options: Mapping[str, str | None]) -> None:
    problems = read_fields({name: value for name, value in options.items() if value is not None})[1]
    if problems:
        raise _BadInput(_by_option(MetadataProblems(problems)))


def _by_option(problems: MetadataProblems) -> str:
    """The problems under the names people typed: `--expires` rather than `expires_at`."""
    lines = []
    for problem in problems.problems:
        field, bracket, inside = problem.field.partition("[")
        option = "NAME" if field == "name" else _OPTION_OF.get(field, f"--{field.replace('_', '-')}")
        lines.append(str(Problem("", f"{option}{bracket}{inside}" if field else "", problem.message)))
    return "\n".join(lines)


def _record(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as the fields of a record."""
    given = {field: value for field, value in options.items() if value is not None and value != ()}
    if "used_by" in given:
        given["used_by"] = [read_use(use) for use in given["used_by"]]
    return {field: list(value) if isinstance(value, tuple) else value for field, value in given.items()}


def _field_to_clear(field: str) -> str:
    if field in FIELDS and field not in ("name", "expires_computed"):
        return field
    near = nearest(field, FIELDS)
    raise _BadInput("--clear: is not a field" + (f", did you mean {near[0]}?" if near else f" ({', '.join(FIELDS)})"))


def _say(token: Token, done: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(to_json(token)))
    else:
        click.echo(f"{done} {token.name}.")
        print_token(token, _now())


def _probe(token: Token, repo: str | None) -> str:
    if token.registry != "npm":
        raise _No(f"a probe asks npm, and {token.name} is of {token.registry}")
    use = probed_use(token, repo)
    if use is None:
        where = f"in {repo}" if repo else "on GitHub"
        raise _No(f"no secret {where} is recorded for {token.name}: add one with --used-by REPO:WORKFLOW:SECRET:LEVEL")
    return probe_workflow(token, use)


def _text(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise _BadInput(f"cannot read {file}: {error.strerror}") from None
    # PowerShell's `>` writes UTF-16 with a mark, Excel marks UTF-8.
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _BadInput(f"{file} is no text in UTF-8 or UTF-16: byte {error.start} cannot be read") from None
