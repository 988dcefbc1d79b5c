"""The real bot and the bare handler, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
WEBHOOK_SECRET = "webhook-secret-of-the-bench"
SIGNING_SECRET = "signing-secret-of-the-bench"
START_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Served:
    """A process that answers. `started_s`: from its start until it first answered well."""

    port: int
    pid: int
    started_s: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It does nothing meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def resident_mb(self) -> float | None:
        """What `VmRSS` says; None where there is no /proc."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), None)


@contextlib.asynccontextmanager
async def bot(database: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Served]:
    """`python -m bot serve` over this database."""
    given = {
        "GITHUB_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "DATABASE_URL": f"sqlite:///{database}",
        "HOST": "127.0.0.1",
        **(settings or {}),
    }
    async with _served(("-m", "bot", "serve"), given, "/healthz", database.parent) as served:
        yield served


@contextlib.asynccontextmanager
async def bare_handler(folder: Path) -> AsyncIterator[Served]:
    """An aiohttp handler that reads the body, checks the signature, and keeps nothing."""
    async with _served(("-m", "tests.bench.bare"), {"SECRET": WEBHOOK_SECRET}, "/", folder) as served:
        yield served


@contextlib.asynccontextmanager
async def _served(
    arguments: tuple[str, ...], settings: Mapping[str, str], probe: str, folder: Path
) -> AsyncIterator[Served]:
    port = _free_port()
    env = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "PORT": str(port), **settings}
    said = folder / f"said-{port}.log"
    with said.open("wb") as file:
        started = time.perf_counter()
        child = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=env, cwd=folder, stdout=file, stderr=file
        )
        try:
            await _until_it_answers(f"http://127.0.0.1:{port}{probe}", child, said)
            yield Served(port, child.pid, time.perf_counter() - started)
        finally:
            await _stopped(child)


async def _until_it_answers(url: str, child: asyncio.subprocess.Process, said: Path) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_WITHIN_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as reply:
                    if reply.status == 200:
                        return
            if child.returncode is not None:
                raise RuntimeError(f"it ended with {child.returncode}:\n{said.read_text()[-2000:]}")
            await asyncio.sleep(0.005)


async def _stopped(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), STOP_WITHIN_S)
        except TimeoutError:
            child.kill()
            await child.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
