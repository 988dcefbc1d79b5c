"""`diagnose` on large logs, beside `grep -c -E` with the words that make the engine look at a line."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bot.diagnosis.rulebook import RuleBook
from tests import npm_logs
from tests.bench.processes import ROOT
from tests.bench.report import Figure

MB = 1_000_000
BLOCK_LINES = 20_000


def measure(folder: Path, sizes_mb: Sequence[int]) -> list[Figure]:
    figures = []
    for size_mb in sizes_mb:
        log = folder / f"{size_mb}.log"
        _write_log(log, size_mb * MB)
        repeats = 3 if size_mb <= 100 else 1
        grep_s = min(_run(_grep(log))[0] for _ in range(repeats))
        runs = [_run([sys.executable, "-m", "bot", "diagnose", "--json", str(log)]) for _ in range(repeats)]
        took_s, peak_mb, said = min(runs)
        cause = json.loads(said)["cause"]
        part = f"diagnose, {size_mb:,} MB"
        beside = f"{size_mb / grep_s:,.0f} MB/s grep -c -E"
        figures += [
            Figure(part, f"start to end, says {cause}", size_mb / took_s, "MB/s", beside, grep_s / took_s),
            Figure(part, "peak memory", peak_mb, "MB"),
        ]
        log.unlink()
    return figures


def _write_log(path: Path, size: int) -> None:
    """A build that talks a lot, then a publish that fails."""
    chance = random.Random(7)
    chatter = (
        "npm warn deprecated glob@7.2.{n}: versions before v9 are no longer supported",
        "  src/components/button-{n}.tsx -> dist/components/button-{n}.js (12.{n} kB)",
        "PASS src/widgets/{n}/widget.test.ts ({n} ms)",
        "    at Object.<anonymous> (/home/runner/work/ui/ui/node_modules/thing/lib/index.js:{n}:17)",
        "transforming ({n}) node_modules/lodash-es/_baseIteratee.js",
        "  [32m✓[39m renders the list with {n} rows",
        "{n} modules transformed.",
    )
    block = npm_logs.stamped(
        "##[group]Run npm test", "npm test", "##[endgroup]",
        *(chance.choice(chatter).format(n=chance.randrange(10_000)) for _ in range(BLOCK_LINES)),
    ).encode()  # fmt: skip
    with path.open("wb") as file:
        end = npm_logs.not_found().encode()
        while file.tell() + len(block) + len(end) < size:
            file.write(block)
        left = max(0, size - file.tell() - len(end))
        file.write(block[: block.rfind(b"\n", 0, left) + 1])
        file.write(end)


def _grep(log: Path) -> list[str]:
    return ["grep", "-a", "-c", "-E", _extended(RuleBook().anchors.pattern), str(log)]


def _extended(pattern: bytes | str) -> str:
    """The anchors as a POSIX extended expression."""
    text = pattern.decode() if isinstance(pattern, bytes) else pattern
    for ours, theirs in (
        ("(?m)", ""),
        ("(?:", "("),
        (r"\x1b", "\x1b"),
        (r"[ \t]", "[ \t]"),
        (r"[\w./\-]", "[A-Za-z0-9_./-]"),
        (r"[.\-]", "[.-]"),
        (r"\"", '"'),
    ):
        text = text.replace(ours, theirs)
    return text


def _run(command: Sequence[str]) -> tuple[float, float, str]:
    """Seconds, peak resident megabytes and what it printed."""
    env = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    peak = [sys.executable, "-S", str(Path(__file__).with_name("peak.py")), *command]
    started = time.perf_counter()
    ended = subprocess.run(peak, env=env, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - started
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]} ended with {ended.returncode}: {ended.stderr[-500:]}")
    per_mb = MB if sys.platform == "darwin" else 1000  # bytes there, kilobytes on Linux
    return took_s, int(ended.stderr.split()[-1]) / per_mb, ended.stdout
