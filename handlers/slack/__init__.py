"""Slack's side: the lists of what is answered, and the only code that knows Bolt.

Every listener acknowledges first: Slack shows a failure after 3 seconds. `TellUser` becomes one sentence for the person
who asked; anything unexpected is logged with an id, and the person gets the id.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from bot.credentials import kind_of
from bot.deps import Deps
from bot.errors import TellUser, TokenwatchError
from bot.messages import campaign as campaign_page
from bot.messages import (
    card,
    fleet_suggestions,
    incident_forms,
    replies,
    rotation_card,
    rotation_form,
    rotation_tick,
    token_form,
    token_lists,
    token_page,
)
from bot.messages import deadlines as deadlines_page
from bot.messages import home as home_page
from bot.messages import shortcuts as shortcut_names
from bot.messages.everything import ANY_ACTION, ANY_SHORTCUT, ANY_VIEW
from bot.messages.modal import closing_view, typed
from bot.presence import Presence
from bot.settings import Settings
from handlers.bodies import Bodies, NotRead
from handlers.slack import (
    audit,
    campaign,
    claim,
    deadlines,
    digest,
    edit_token,
    help,
    home,
    incident,
    incidents,
    list_tokens,
    map,
    remove_token,
    rotate,
    rotation,
    shortcuts,
    show,
    snooze,
    status,
    why,
)
from handlers.slack.opening import open_view, opens_form
from handlers.slack.requests import Click, Command, FormReply, Picked, Reply, Submission

log = structlog.get_logger("slack")

COMMAND = "/tokens"
LARGEST_BODY = 3 * 1024 * 1024  # far above anything Slack sends
QUIET_S = 2.0  # a command that takes longer says that it is still at work

RunCommand = Callable[[Command, Deps], Coroutine[Any, Any, Reply | None]]
RunAction = Callable[[Click, Deps], Awaitable[Reply | None]]
RunShortcut = Callable[[Picked, Deps], Coroutine[Any, Any, Reply | None]]
RunView = Callable[[Submission, Deps], Awaitable[FormReply]]


async def _help(command: Command, deps: Deps) -> Reply:
    return help.help_with(COMMANDS)


COMMANDS: dict[str, RunCommand] = {
    "status": status.status,
    "list": list_tokens.list_tokens,
    "show": show.show,
    "add": opens_form(edit_token.add),
    "edit": opens_form(edit_token.edit),
    "remove": opens_form(remove_token.ask),
    "rotate": opens_form(rotate.rotate),
    "why": why.explain_run,
    "deadlines": deadlines.show,
    "map": map.show_map,
    "audit": audit.show_audit,
    "incidents": incidents.list_open,
    "claim": opens_form(claim.claim),
    "snooze": opens_form(snooze.snooze),
    "digest": digest.choose,
    "help": _help,
}

ACTIONS: dict[str, RunAction] = {
    token_lists.PREVIOUS_PAGE: list_tokens.turn_page,
    token_lists.NEXT_PAGE: list_tokens.turn_page,
    home_page.ADD: opens_form(edit_token.add_clicked),
    fleet_suggestions.ADD: opens_form(edit_token.add_suggested),
    token_page.EDIT: opens_form(edit_token.edit_clicked),
    token_page.ROTATE_BY_NAME: opens_form(rotate.rotate_clicked),
    card.CLAIM: incident.claim,
    card.SNOOZE: opens_form(snooze.ask),
    card.WAKE: incident.wake,
    card.RESOLVE: opens_form(incident.ask_how_resolved),
    card.REOPEN: incident.reopen,
    card.RERUN: incident.rerun,
    card.HAND_OVER: opens_form(incident.ask_hand_over),
    card.ROTATE: opens_form(rotate.rotate_from_card),
    home_page.ROTATE: opens_form(rotate.choose),
    home_page.SHOW: home.show,
    home_page.REGISTRY: home.choose_registry,
    home_page.PREVIOUS: home.turn_back,
    home_page.NEXT: home.turn,
    home_page.DIGEST: home.choose_digest,
    campaign_page.STOP: campaign.stop,
    deadlines_page.CAMPAIGN: deadlines.start_campaign,
    rotation_card.APPROVE: rotation.approve_bypass,
    rotation_card.REFUSE: rotation.refuse_bypass,
    rotation_card.MADE: opens_form(rotation.ask_made),
    rotation_card.LOOK: rotation.look,
    rotation_card.PROBE: rotation.probe,
    rotation_card.TICK: opens_form(rotation.ask_tick),
    rotation_card.COMMANDS: rotation.show_commands,
    rotation_card.HAND_OVER: opens_form(rotation.ask_hand_over),
    rotation_card.STOP: opens_form(rotation.ask_stop),
}

SHORTCUTS: dict[str, RunShortcut] = {
    shortcut_names.DIAGNOSE_LOG: shortcuts.diagnose_log,
    shortcut_names.ADD_TOKEN: opens_form(shortcuts.add_token),
}

VIEWS: dict[str, RunView] = {
    token_form.FORM: edit_token.saved,
    token_form.REMOVE_FORM: remove_token.removed,
    incident_forms.CLAIM_FORM: claim.claimed,
    incident_forms.SNOOZE_FORM: snooze.snoozed,
    incident_forms.RESOLVE_FORM: incident.resolved,
    incident_forms.HAND_OVER_FORM: incident.handed_over,
    campaign_page.FORM: campaign.begun,
    rotation_form.CHOOSE_FORM: rotate.chosen,
    rotation_form.START_FORM: rotate.begun,
    rotation_form.MADE_FORM: rotation.made,
    rotation_tick.TICK_FORM: rotation.ticked,
    rotation_form.HAND_OVER_FORM: rotation.handed_over,
    rotation_form.STOP_FORM: rotation.stopped,
}


def slack_app(deps: Deps, client: AsyncWebClient, bot: tuple[str, str] | None = None) -> AsyncApp:
    """Bolt with our listeners. Requests are verified before they reach it (see `slack_route`).

    `bot`: its bot id and user id, when it is one of several workspaces. Bolt would otherwise take the client id that it
    sees in the environment for its own way to install, with files in the home directory for tokens.
    """

    async def ours() -> AuthorizeResult:
        assert bot is not None
        return AuthorizeResult(
            enterprise_id=None, team_id=None, bot_token=client.token, bot_id=bot[0], bot_user_id=bot[1]
        )

    bare = AsyncWebClient(base_url=client.base_url, session=client.session, retry_handlers=[])
    app = AsyncApp(
        client=client if bot is None else bare,
        authorize=None if bot is None else ours,
        signing_secret="verified before",  # noqa: S106 - not a secret: verification is off here
        request_verification_enabled=False,
        raise_error_for_unhandled_request=True,  # its own words about one break on a body it does not expect
        logger=logging.getLogger("slack_bolt"),
    )

    @app.error
    async def failed(error: Exception) -> BoltResponse:
        if isinstance(error, BoltUnhandledRequestError):
            return BoltResponse(status=404, body={"error": "unknown"})
        _logged("slack")
        return BoltResponse(status=400, body={"error": "malformed"})

    @app.command(COMMAND)
    async def command(ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        typed = str(body.get("text") or "").strip()
        if kind := kind_of(typed):
            await _respond(respond, Reply(replies.looks_like_a_token(kind)))
            return
        verb, _, argument = typed.partition(" ")
        made = Command(
            user=str(body.get("user_id") or ""),
            channel=str(body.get("channel_id") or ""),
            verb=verb.lower() or "status",
            argument=argument.strip(),
            trigger_id=str(body.get("trigger_id") or ""),
        )
        run = COMMANDS.get(made.verb)
        if run is None:
            await _respond(respond, help.mistyped(made, COMMANDS))
            return
        await _answer_in_time(run(made, deps), respond, f"{COMMAND} {made.verb}", made.argument or made.verb)

    @app.action(ANY_ACTION)
    async def action(ack: Any, body: dict[str, Any], action: dict[str, Any], respond: Any) -> None:
        await ack()
        run = ACTIONS.get(str(action.get("action_id")))
        if run is None:
            return
        click = Click(
            user=str((body.get("user") or {}).get("id") or ""),
            channel=str((body.get("channel") or {}).get("id") or ""),
            value=str(action.get("value") or (action.get("selected_option") or {}).get("value") or ""),
            trigger_id=str(body.get("trigger_id") or ""),
            metadata=str((body.get("view") or {}).get("private_metadata") or ""),
        )
        if not body.get("response_url"):
            # Pressed in a form or the Home, where no message can appear: the answer opens in front of it.
            respond = functools.partial(_show, deps, click.trigger_id)
        await _answer(run(click, deps), respond, str(action.get("action_id")))

    @app.shortcut(ANY_SHORTCUT)
    async def shortcut(ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        run = SHORTCUTS.get(str(body.get("callback_id")))
        if run is None:
            return
        picked = Picked(
            user=str((body.get("user") or {}).get("id") or ""),
            channel=str((body.get("channel") or {}).get("id") or ""),
            message=body.get("message") or {},
            trigger_id=str(body.get("trigger_id") or ""),
        )
        if not body.get("response_url"):
            respond = functools.partial(_show, deps, picked.trigger_id)
        await _answer_in_time(run(picked, deps), respond, str(body.get("callback_id")), "this log")

    @app.view(ANY_VIEW)
    async def view(ack: Any, body: dict[str, Any], view: dict[str, Any]) -> None:
        run = VIEWS.get(str(view.get("callback_id")))
        if run is None:
            await ack()
            return
        submission = Submission(
            user=str((body.get("user") or {}).get("id") or ""),
            values=(view.get("state") or {}).get("values") or {},
            metadata=str(view.get("private_metadata") or ""),
        )
        found = {block: kind for block, text in typed(submission.values).items() if (kind := kind_of(text))}
        if found:
            await ack(
                response_action="errors",
                errors={block: replies.credential_in_form(kind) for block, kind in found.items()},
            )
            return
        reply = await _form_reply(run(submission, deps), str(view.get("callback_id")))
        # Not before the work: only this answer can put errors beside the fields.
        if reply.errors:
            await ack(response_action="errors", errors=dict(reply.errors))
        elif reply.view is not None:
            await ack(response_action="update", view=dict(reply.view))
        else:
            await ack()

    @app.event("app_home_opened")
    async def home_opened(event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            seen = event.get("view") or {}
            await home.opened(str(event.get("user") or ""), str(seen.get("private_metadata") or ""), deps)

    return app


def slack_route(
    find: Callable[[dict[str, Any]], Awaitable[AsyncApp | None]],
    settings: Settings,
    bodies: Bodies,
    presence: Presence,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answers `POST /slack/events`: verify the raw body, parse it ourselves, hand Bolt the result.

    `find`: which app a request is for; None: for none that is here.

    Bolt loses any form body that contains the bytes `payload` (`/tokens show @payloadcms/next`), so it gets JSON.
    """
    secret = settings.slack_signing_secret
    verifier = SignatureVerifier(secret.get_secret_value()) if secret else None

    async def receive(request: web.Request) -> web.StreamResponse:
        try:
            raw = await bodies.read(request, LARGEST_BODY)
        except NotRead as error:
            return web.json_response({"error": error.reason}, status=error.status)
        verified = verifier is not None and _verified(verifier, raw, request)
        if verified:
            presence.accepted("slack")
        else:
            if "X-Slack-Signature" in request.headers:
                presence.refused("slack")
            return web.json_response({"error": "invalid request"}, status=401)
        body = _parsed(raw)
        if body is None:
            return web.json_response({"error": "malformed"}, status=400)
        app = await find(body)
        if app is None:
            if body.get("type") == "url_verification":
                return web.json_response({"challenge": str(body.get("challenge") or "")})
            if "command" in body:
                return web.json_response({"response_type": "ephemeral", "text": replies.NOT_INSTALLED})
            # An event is taken whoever it was for: Slack would send it again, and stop sending any in the end.
            return web.json_response({}, status=200 if body.get("type") == "event_callback" else 404)
        headers: dict[str, str | Sequence[str]] = {
            name: value for name, value in request.headers.items() if name.lower().startswith("x-slack-")
        }
        headers["content-type"] = "application/json"
        try:
            bolt_request = AsyncBoltRequest(body=json.dumps(body), headers=headers)
        except (TypeError, AttributeError):  # it looks for ids in whatever stands where objects should be
            return web.json_response({"error": "malformed"}, status=400)
        return await to_aiohttp_response(await app.async_dispatch(bolt_request))

    return receive


def _verified(verifier: SignatureVerifier, raw: bytes, request: web.Request) -> bool:
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        return False
    try:
        return verifier.is_valid(raw, timestamp, signature)
    except (ValueError, TypeError):
        return False


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """Form or JSON, by what it is; an interaction's JSON sits in the form field `payload`."""
    try:
        text = raw.decode()
        if text.lstrip().startswith("{"):
            body = json.loads(text)
        else:
            fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
            body = json.loads(fields["payload"]) if "payload" in fields and "command" not in fields else fields
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and body else None


async def _answer_in_time(work: Coroutine[Any, Any, Reply | None], respond: Any, what: str, about: str) -> None:
    """As `_answer`, with a sign of life when it takes longer than people wait without one."""
    answering = asyncio.create_task(_answer(work, respond, what))
    done, _ = await asyncio.wait({answering}, timeout=QUIET_S)
    if not done and not isinstance(respond, functools.partial):
        await _respond(respond, Reply(replies.still_looking(about)))
    await answering


async def _answer(work: Awaitable[Reply | None], respond: Any, what: str) -> None:
    try:
        reply = await work
    except TokenwatchError as error:
        if not isinstance(error, TellUser):
            log.warning("refused", what=what, reason=error.reason)
        reply = Reply(replies.told(error.message))
    except Exception:  # noqa: BLE001 - the one place that catches: the person gets an id instead of silence
        reply = Reply(replies.sorry(_logged(what)))
    if reply is not None:
        await _respond(respond, reply)


async def _form_reply(work: Awaitable[FormReply], what: str) -> FormReply:
    try:
        return await work
    except TokenwatchError as error:
        return FormReply(view=closing_view("Not saved", replies.told(error.message)))
    except Exception:  # noqa: BLE001 - as above, in the form
        return FormReply(view=closing_view("Not saved", replies.sorry(_logged(what))))


def _logged(what: str) -> str:
    error_id = uuid.uuid4().hex[:8]
    log.exception("unexpected", what=what, error_id=error_id)
    return error_id


async def _show(deps: Deps, trigger_id: str, reply: Reply) -> None:
    try:
        await open_view(deps, trigger_id, closing_view("Tokenwatch", reply.message))
    except TellUser as error:
        log.info("an answer could not be shown", why=error.reason)


async def _respond(respond: Any, reply: Reply) -> None:
    if isinstance(respond, functools.partial):
        await respond(reply)
        return
    await respond(
        text=reply.message.text,
        blocks=list(reply.message.blocks),
        response_type="ephemeral",
        replace_original=reply.replace,
        unfurl_links=False,
        unfurl_media=False,
    )
