"""`check`: the doctor."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import click
from rich.console import Console
from rich.text import Text

from bot.doctor import examine
from bot.settings import load_settings

_STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(as_json: bool) -> int:
    """Find what is wrong with the set-up. Exit 1 when something is."""
    findings = asyncio.run(examine(load_settings()))
    if as_json:
        for finding in findings:
            click.echo(json.dumps(dataclasses.asdict(finding)))
    else:
        console = Console(soft_wrap=True)
        for finding in findings:
            line = Text.assemble((f"{finding.state:<8}", _STYLES[finding.state]), f"{finding.what:<10} ", finding.said)
            if finding.mend:
                line.append(f"  ->  {finding.mend}", style="dim")
            console.print(line)
        wrong = sum(finding.state == "wrong" for finding in findings)
        console.print(Text(f"{wrong} to mend." if wrong else "Nothing is wrong.", style="bold"))
    return 1 if any(finding.state == "wrong" for finding in findings) else 0
