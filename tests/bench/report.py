"""Figures as a table for people and as JSON for machines."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `beside`: what it is compared with in the same run, `ratio`: ours divided by that.

    `at_least`, `at_most`: the reach, for `ratio` if there is one, else for `value`.
    """

    part: str
    name: str
    value: float
    unit: str
    beside: str = ""
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def within(self) -> bool | None:
        """Whether the reach is met; None without one."""
        measured = self.value if self.ratio is None else self.ratio
        if self.at_least is not None:
            return measured >= self.at_least
        if self.at_most is not None:
            return measured <= self.at_most
        return None


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    cores: int
    system: str
    python: str
    sqlite: str
    fsync_ms: float


def this_machine(folder: Path) -> Machine:
    """`folder`: where the databases of the run are, because a commit is as fast as the disk below it."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        fsync_ms=_fsync_ms(folder),
    )


def to_json(machine: Machine, figures: Sequence[Figure], *, full: bool, took_s: float) -> dict[str, Any]:
    return {
        "machine": asdict(machine),
        "full": full,
        "took_s": round(took_s, 1),
        "figures": [_figure_json(figure) for figure in figures],
    }


def show(console: Console, machine: Machine, figures: Sequence[Figure]) -> None:
    title = (
        f"{machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}, SQLite {machine.sqlite},"
        f" fsync {machine.fsync_ms:.2f} ms"
    )
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in ("", "measured"):
        table.add_column(column, overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("beside", overflow="fold")
    table.add_column("ratio", justify="right")
    table.add_column("reach", justify="right", no_wrap=True)
    part = ""
    for figure in figures:
        if part and figure.part != part:
            table.add_section()
        table.add_row(
            figure.part if figure.part != part else "",
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            figure.beside,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            _reach(figure),
        )
        part = figure.part
    console.print(table)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed; the largest one where there are too few to tell."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]


def _figure_json(figure: Figure) -> dict[str, Any]:
    given = {name: value for name, value in asdict(figure).items() if value not in (None, "")}
    given["value"] = float(f"{figure.value:.4g}")
    if figure.ratio is not None:
        given["ratio"] = round(figure.ratio, 3)
    if figure.within is not None:
        given["within"] = figure.within
    return given


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _reach(figure: Figure) -> str:
    if figure.within is None:
        return ""
    text = f">= {figure.at_least:g}" if figure.at_least is not None else f"<= {figure.at_most:g}"
    return f"[{'green' if figure.within else 'red'}]{text}[/]"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms(folder: Path, times: int = 30) -> float:
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - started)
    return statistics.median(took) * 1000
