"""Webhooks accepted durably per second, beside a bare handler that only checks the signature."""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.bench import load
from tests.bench.processes import bare_handler, bot
from tests.bench.report import Figure
from tests.bench.seeding import body_of

CONNECTIONS = 32
ROUNDS = 15
BODIES = [body_of(f"acme/service-{number}", number) for number in range(64)]


async def measure(database: Path, stored: int, requests: int) -> list[Figure]:
    """`requests` a round; bot and bare handler take turns, so that a busy moment of the machine hits both.

    While the bare handler is measured the bot is stopped: working what it accepted before would slow the other down.
    """
    bare_rates, bot_rates = [], []
    async with bare_handler(database.parent) as bare, bot(database) as accepting:
        for number in range(ROUNDS + 1):
            wanted = load.requests(BODIES, requests, seed=1000 + number)
            with accepting.stopped():
                bare_rate = await load.send_all(bare.port, wanted, CONNECTIONS)
            bot_rate = await load.send_all(accepting.port, wanted, CONNECTIONS)
            if number:  # the first only warms up
                bare_rates.append(bare_rate)
                bot_rates.append(bot_rate)
        resident = accepting.resident_mb()
    ratio = statistics.median(ours / theirs for ours, theirs in zip(bot_rates, bare_rates, strict=True))
    part = f"webhooks, {CONNECTIONS} connections, {stored:,} stored"
    kept = sum(len(body) for body in BODIES) / len(BODIES) / 1000
    figures = [
        Figure(
            part,
            f"accepted durably, bodies of {kept:.0f} kB, worked meanwhile",
            statistics.median(bot_rates),
            "/s",
            f"{statistics.median(bare_rates):,.0f}/s bare handler",
            ratio,
            at_least=0.6,
        )
    ]
    if resident is not None:
        figures.append(Figure(part, "resident afterwards", resident, "MB", at_most=110))
    return figures
