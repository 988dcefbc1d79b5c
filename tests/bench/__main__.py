"""The command line of the bench: every part in one run, a table on standard output, JSON with `--json FILE`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from bot.logs import set_up_logging
from tests.bench import acceptance, diagnosis, fleet, latency, scale, seeding, start, storm
from tests.bench.report import Figure, show, this_machine, to_json

TOKENS = (100, 10_000, 100_000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="a million stored deliveries and a log of 1,000 MB")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--dir", type=Path, help="where to make the databases (default: the temporary folder)")
    given = parser.parse_args()
    set_up_logging("error")
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="tokenwatch-bench-", dir=given.dir) as made:
            machine = this_machine(Path(made))
            figures = asyncio.run(_measure(Path(made), full=given.full))
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    took_s = time.monotonic() - started
    show(Console(width=None if sys.stdout.isatty() else 150), machine, figures)
    if given.json:
        text = json.dumps(to_json(machine, figures, full=given.full, took_s=took_s), indent=2, ensure_ascii=False)
        given.json.write_text(text + "\n")
    return 0


async def _measure(folder: Path, *, full: bool) -> list[Figure]:
    stored = 1_000_000 if full else 100_000
    database = folder / "bot.db"
    said = Console(stderr=True)
    figures: list[Figure] = []
    with said.status("storing deliveries") as status:
        seeding.add_deliveries(database, stored)
        status.update("starting")
        figures += await start.measure(database, stored)
        status.update("many tokens")
        figures += await scale.measure(database, stored, TOKENS, repeats=200 if full else 50)
        status.update("accepting webhooks")
        figures += await acceptance.measure(database, stored, requests=4_000 if full else 2_000)
        status.update("webhook to Slack")
        figures += await latency.measure(folder, {1: 60, 50: 3_000} if full else {1: 15, 50: 500})
        status.update("one token, many failures")
        figures += await storm.measure(folder, 2_000 if full else 400)
        status.update("scanning an organisation")
        figures += await fleet.measure(folder, 5_000 if full else 1_000)
        status.update("diagnosing large logs")
        figures += diagnosis.measure(folder, (1, 100, 1_000) if full else (1, 100))
    return figures


if __name__ == "__main__":
    sys.exit(main())
