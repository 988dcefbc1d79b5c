"""A bot in a process of its own that can be killed a hundred times a minute: forked from one that has imported it all.

It runs the same `serve` as the command line does, on a database and a port that it is given.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import aiohttp

from bot.app import serve
from bot.logs import set_up_logging
from bot.settings import Settings

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.crashing"])


def _run(settings: dict[str, Any], log: str) -> None:
    to = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(to, 2)
    made = Settings(_env_file=None, **settings)
    set_up_logging("info", "json")
    asyncio.run(serve(made))


class Child:
    """One life of a bot after the other, on the same database."""

    def __init__(self, settings: dict[str, Any], port: int, log: Path) -> None:
        self._settings = settings | {"host": "127.0.0.1", "port": port}
        self._log = log
        self._process: BaseProcess | None = None
        self.url = f"http://127.0.0.1:{port}"

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Returns once it answers."""
        self._process = FORKS.Process(target=_run, args=(self._settings, str(self._log)), daemon=True)
        await asyncio.to_thread(self._process.start)
        for _ in range(2000):
            try:
                async with session.get(f"{self.url}/healthz") as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            assert self._process.is_alive(), self.log()[-3000:]
            await asyncio.sleep(0.01)
        raise TimeoutError(self.log()[-3000:])

    async def end(self, number: int) -> int | None:
        """Send a signal and wait for the end; returns the exit code."""
        process = self._process
        if process is None or process.pid is None:
            return None
        os.kill(process.pid, number)
        await asyncio.to_thread(process.join, 15)
        assert not process.is_alive(), "it does not end"
        self._process = None
        return process.exitcode

    async def kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            await self.end(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""
