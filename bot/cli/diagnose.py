"""`diagnose`: reads job logs and prints why the publish failed, for people or as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bot.cli.log_files import UnreadableLog, chunks_of, size_of
from bot.cli.terminal import progress
from bot.diagnosis.diagnosis import Diagnosis

if TYPE_CHECKING:
    from rich.console import Console

MOST_ALTERNATIVES = 3
_SOON_S = 0.5  # a log that is read by then needs no bar


class IsoTime(click.ParamType[datetime]):
    """A time such as 2026-11-22T10:00:00Z; without a zone it is UTC."""

    name = "ISO-TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("not an ISO time such as 2026-11-22T10:00:00Z", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command(short_help="Read job logs and say why the publish failed.")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, in the order of the files.")
@click.option("--at", type=IsoTime(), help="When the job ran, if the log does not say.")
def diagnose(files: tuple[str, ...], as_json: bool, at: datetime | None) -> None:
    """Read one or more job logs (`-` or none: standard input; .gz and .zip too) and say why the publish failed.

    Exit codes: 0 every log was read, whatever the cause; 2 a file is missing or cannot be read.
    """
    from bot.diagnosis.engine import diagnose as read  # compiles the rules: not needed for --help

    unreadable = False
    for name in files or ("-",):
        try:
            with progress(_one_line(name), in_bytes=True, after_s=_SOON_S) as said:
                diagnosis = read(_counted(chunks_of(name), size_of(name), said), at)
        except UnreadableLog as error:
            click.echo(f"Error: {_one_line(str(error))}", err=True)
            unreadable = True  # the others are read all the same
            continue
        if as_json:
            _write(json.dumps(diagnosis.to_json(), ensure_ascii=False))
        else:
            _print(diagnosis, name if len(files) > 1 else None)
    if unreadable:
        raise SystemExit(2)


def _counted(chunks: Iterator[bytes], size: int | None, said: Callable[[int, int | None], None]) -> Iterator[bytes]:
    read = 0
    for chunk in chunks:
        read += len(chunk)
        said(read, max(size, read) if size else None)
        yield chunk


def _write(line: str) -> None:
    """A line as UTF-8 whatever the locale: JSON is, and logs hold anything."""
    sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def _one_line(text: str) -> str:
    from bot.credentials import mask

    return mask("".join(c if c.isprintable() else "?" for c in text))[0]


def _print(diagnosis: Diagnosis, name: str | None) -> None:
    """The diagnosis for a person: the fact, what to do, where it stands, what else it could be."""
    from rich.console import Console

    # Colours only on a terminal; rich heeds NO_COLOR itself. Links and markup in log text must stay text.
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    if name:
        console.print(name, style="bold underline")
    style = {"failed": "bold red", "succeeded": "bold green", "staged": "bold yellow"}.get(diagnosis.outcome, "bold")
    console.print(diagnosis.sentence, style=style)
    console.print(f"  {diagnosis.cause}, confidence {diagnosis.confidence:.0%}", style="dim")
    if about := _about(diagnosis):
        console.print(f"  {about}", style="dim")
    _print_evidence(console, diagnosis)
    if diagnosis.fix:
        console.print("\nWhat to do", style="bold")
        for number, step in enumerate(diagnosis.fix, start=1):
            console.print(f"  {number}. {step}")
    if diagnosis.docs:
        console.print(f"  {diagnosis.docs}", style="dim")
    # What was published beside a failure is told by the list of packages.
    others = [other for other in diagnosis.also if other.cause != "published"]
    if others:
        console.print("\nIt could also be", style="bold")
        for other in others[:MOST_ALTERNATIVES]:
            console.print(f"  {other.cause} ({other.confidence:.0%}), if {other.would_confirm}")
    if len(diagnosis.packages) > 1:
        console.print("\nPackages", style="bold")
        for package in diagnosis.packages:
            console.print(f"  {package.outcome:<10} {package.package} {package.version or ''}".rstrip())
    if diagnosis.secrets_masked:
        console.print(f"\n{diagnosis.secrets_masked} credentials in the log were masked; revoke them.", style="yellow")
    console.print()


def _about(diagnosis: Diagnosis) -> str:
    named = diagnosis.package
    if named and diagnosis.version:
        named = f"{named} {diagnosis.version}"
    tool = diagnosis.client or diagnosis.tool
    if diagnosis.tool and diagnosis.client and not diagnosis.client.startswith(diagnosis.tool):
        tool = f"{diagnosis.tool} with {diagnosis.client}"
    parts = (
        named,
        f"to {diagnosis.registry}" if diagnosis.registry else None,
        f"by {tool}" if tool else None,
        diagnosis.code,
    )
    return ", ".join(part for part in parts if part)


def _print_evidence(console: Console, diagnosis: Diagnosis) -> None:
    if not diagnosis.evidence:
        return
    console.print(f"\nIn the log ({diagnosis.lines} lines)", style="bold")
    width = len(str(max(line.line for line in diagnosis.evidence)))
    for line in diagnosis.evidence[:5]:
        text = "".join(c if c.isprintable() else " " for c in line.text)
        console.print(f"  {line.line:>{width}}  {text}")
