"""The app's shortcuts: "Diagnose this log" on a message, "Add a token" anywhere."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import TellUser
from bot.messages.log_diagnosis import log_diagnosis, no_log
from bot.slack_files import diagnosed
from bot.slack_log_text import log_files, pasted
from handlers.slack import edit_token
from handlers.slack.requests import Click, Picked, Reply


async def diagnose_log(picked: Picked, deps: Deps) -> Reply:
    await deps.permissions.must_be_member(picked.user)
    if deps.slack is None:
        raise TellUser("The bot has no Slack token, so it cannot read files.")
    text, files = pasted(picked.message), log_files(picked.message.get("files") or ())
    if not text.strip() and not files:
        return Reply(no_log())
    return Reply(log_diagnosis(await diagnosed(deps.slack, files, text)))


async def add_token(picked: Picked, deps: Deps) -> None:
    await edit_token.add_clicked(Click(picked.user, picked.channel, "", picked.trigger_id), deps)
