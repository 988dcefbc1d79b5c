"""`python -m bot demo`: the bot beside its stand-ins, the scenario played, cards printed, the sandbox page served."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from bot.app import Bot
from bot.clock import system_now
from bot.demo.outside import Outside
from bot.demo.rotating import rotation_playables
from bot.demo.samples import tokens_json
from bot.demo.sandbox import Playable, Shortcut, Verb
from bot.demo.scenario import SCENARIO, Played, Stage, Step, play
from bot.demo.serving import HOST
from bot.demo.slack import OPS, RELEASES
from bot.demo.terminal import show
from bot.demo.times import Times
from bot.logs import set_up_logging
from bot.messages.help import COMMAND, VERBS
from bot.messages.shortcuts import SHORTCUTS
from bot.settings import Settings
from bot.token_import import bring_in, read
from handlers.slack import COMMANDS
from storage.database import Database

# These open nothing but the stand-ins of this process.
SIGNING_SECRET = "sandbox-signing-secret"  # noqa: S105
WEBHOOK_SECRET = "sandbox-webhook-secret"  # noqa: S105
GITHUB_TOKEN = "sandbox-github-token"  # noqa: S105


async def run(port: int = 3000, once: bool = False) -> int:
    """Exit code: 0 played (or stopped by Ctrl-C), 1 a step had no effect, 2 the port is taken."""
    set_up_logging("error", "console")
    console = Console(highlight=False, soft_wrap=False)
    try:
        async with furnished(port) as (outside, stage):
            return await _play_and_serve(outside, stage, console, once)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        Console(stderr=True).print(f"Port {port} is in use: stop what listens there, or give another with --port.")
        return 2


@contextlib.asynccontextmanager
async def furnished(port: int) -> AsyncIterator[tuple[Outside, Stage]]:
    """The stand-ins, and the bot between them on a database of its own."""
    times = Times()
    with tempfile.TemporaryDirectory(prefix="tokenwatch-demo-") as folder:
        async with Outside.start(page_port=port) as outside:
            outside.github.now = times.now
            outside.slack.workspace.time_ns = times.time_ns
            outside.sandbox.times = times
            stage = Stage(outside, times.now)
            async with started_bot(outside, Path(folder), times.now) as bot:
                _offer(outside, stage, bot)
                yield outside, stage


@contextlib.asynccontextmanager
async def started_bot(outside: Outside, folder: Path, now: Callable[[], datetime] = system_now) -> AsyncIterator[Bot]:
    """The real bot on a free loopback port, told of the stand-ins and of nothing in the environment."""
    database_url = f"sqlite:///{folder / 'tokenwatch.db'}"
    await _import_tokens(database_url)
    settings = Settings(
        _env_file=None,
        slack_bot_token=outside.slack.bot_token,
        slack_signing_secret=SIGNING_SECRET,
        slack_app_token=None,
        slack_api_url=outside.slack_api_url,
        slack_admins=(),
        alert_channel=RELEASES,
        digest_channel=OPS,
        channel_routes=(),
        digest_routes=(),
        github_webhook_secret=WEBHOOK_SECRET,
        github_app_id=None,
        github_private_key=None,
        github_token=GITHUB_TOKEN,
        github_hooks=(),
        github_api_url=outside.github_api_url,
        npm_registry_url=outside.registry_url,
        database_url=database_url,
        public_url=None,
        metrics_token=None,
    )
    async with Bot.start(settings, host=HOST, port=0, now=now) as bot:
        outside.bot_at(bot.url, signing_secret=SIGNING_SECRET, webhook_secret=WEBHOOK_SECRET)
        yield bot


async def _import_tokens(database_url: str) -> None:
    """Before the bot starts, so that its first digest knows them."""
    now = datetime.now(UTC)
    database = Database.open(database_url)
    try:
        await database.write(bring_in, read(tokens_json(now)), who="demo", now=now)
    finally:
        database.close()


async def _play_and_serve(outside: Outside, stage: Stage, console: Console, once: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if not once:
        console.print(f"Sandbox page: {outside.page_url}\n")
    playing = asyncio.create_task(_play(outside, stage, console))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({playing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return 0
    all_well = playing.result()
    if once:
        stopped.cancel()
        return 0 if all_well else 1
    console.print(f"The sandbox is at {outside.page_url} - Ctrl-C stops it.")
    await stopped
    return 0


async def _play(outside: Outside, stage: Stage, console: Console) -> bool:
    """The whole scenario; whether every step had the effect it promises."""
    all_well = True
    for place, step in enumerate(SCENARIO, 1):
        console.print(Text(f"{place}. {step.title}", style="bold"))
        console.print(Padding(Text(step.see, style="dim"), (0, 3), expand=False))
        played = await play(stage, step)
        all_well = _print(played, outside, console) and all_well
    return all_well


def _print(played: Played, outside: Outside, console: Console) -> bool:
    step = played.step
    for card in played.cards:
        did = "edited" if card.edits else "posted"
        show(card, outside.slack.workspace, console, f"#releases, {did} after {played.took_s:.1f} s")
    if played.missing:
        console.print(Text("   Nothing came: this is a defect.", style="bold red"))
    elif step.effect == "quiet":
        console.print("   (nothing was said)" if not played.cards else "   Unexpected: this step should be quiet.")
    console.print()
    return bool(played.cards) != (step.effect == "quiet")


def _offer(outside: Outside, stage: Stage, bot: Bot) -> None:
    """What the sandbox page offers besides the chat."""

    def playable(step: Step) -> Playable:
        async def happen() -> None:
            await step.happens(stage)

        return Playable(step.id, step.title, step.see, happen)

    outside.sandbox.command = COMMAND
    outside.sandbox.playables = [*(playable(step) for step in SCENARIO), *rotation_playables(stage, bot)]
    outside.sandbox.verbs = [Verb(name, takes, does) for name, (takes, does) in VERBS.items() if name in COMMANDS]
    outside.sandbox.shortcuts = [Shortcut(one.callback_id, one.name, one.kind) for one in SHORTCUTS]

    async def come_to_pass() -> None:
        await bot.clock.tick()
        await bot.sweep.tick()
        bot.deps.queued()

    outside.sandbox.travelled = come_to_pass
