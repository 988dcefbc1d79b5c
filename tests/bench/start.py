"""From the start of the process to the first good answer of `/healthz`, and what it then holds in memory."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.bench.processes import bot
from tests.bench.report import Figure

STARTS = 5


async def measure(database: Path, stored: int) -> list[Figure]:
    """An empty database first, then the large one."""
    figures = []
    for path, what in ((database.with_name("empty.db"), "an empty database"), (database, f"{stored:,} deliveries")):
        took_s, resident = [], 0.0
        for _ in range(STARTS):
            async with bot(path) as served:
                took_s.append(served.started_s)
                resident = served.resident_mb() or 0.0
        part = f"start with {what}"
        figures.append(Figure(part, f"to /healthz, median of {STARTS}", statistics.median(took_s), "s", at_most=1.5))
        if resident:
            figures.append(Figure(part, "resident", resident, "MB", at_most=110))
    return figures
