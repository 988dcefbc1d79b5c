"""The recipe for continuous backup with the real Litestream, where it is installed; its file otherwise."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bot.demo.outside import Outside
from storage import deliveries
from tests import npm_logs
from tests.running import running_bot, settings_for

DOCS = Path(__file__).parent.parent / "docs"
LITESTREAM = shutil.which("litestream")


def test_the_recipe_names_the_database_of_the_unit_file() -> None:
    (database,) = YAML(typ="safe").load((DOCS / "litestream.yml").read_text())["dbs"]
    assert f"sqlite:///{database['path']} " in (DOCS / "tokenwatch.service").read_text()
    assert database["replica"]["type"] == "s3"


@pytest.mark.skipif(LITESTREAM is None, reason="litestream is not installed")
async def test_what_litestream_restores_is_a_bot_that_goes_on(outside: Outside, tmp_path: Path) -> None:
    assert LITESTREAM is not None
    settings = settings_for(outside, tmp_path)
    source, copy = tmp_path / "tokenwatch.db", tmp_path / "elsewhere" / "tokenwatch.db"
    copy.parent.mkdir()
    recipe = YAML(typ="safe").load((DOCS / "litestream.yml").read_text())
    recipe["dbs"][0] |= {"path": str(source), "replica": {"type": "file", "path": str(tmp_path / "replica")}}
    YAML().dump(recipe, config := tmp_path / "litestream.yml")
    async with running_bot(outside, settings) as running:
        replicating = await asyncio.create_subprocess_exec(LITESTREAM, "replicate", "-config", str(config))
        try:
            await running.deliver_run(npm_logs.rejected())
            await running.worked(1)
            for _ in range(50):
                await outside.github.send("ping", {"zen": "x"})
            await running.worked(51)
            await asyncio.to_thread(running.db.tidy)  # the nightly clean-up folds the log into the file
            last = await outside.github.send("ping", {"zen": "last"})
            await running.worked(52)
            await asyncio.sleep(3)  # it looks every second
        finally:
            # The machine is lost: no goodbye.
            replicating.send_signal(signal.SIGKILL)
            await replicating.wait()
    restoring = await asyncio.create_subprocess_exec(
        LITESTREAM, "restore", "-config", str(config), "-o", str(copy), str(source)
    )
    assert await restoring.wait() == 0
    restored = settings_for(outside, tmp_path, database_url=f"sqlite:///{copy}")
    async with running_bot(outside, restored) as running:
        assert running.db.read_now(lambda c: c.value("PRAGMA integrity_check")) == "ok"
        assert running.db.read_now(deliveries.get, last.guid) is not None
        await running.deliver_run(npm_logs.rejected())
        await running.worked()
        (card,) = running.cards()
        assert card.edits, "the same incident goes on"
