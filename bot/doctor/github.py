"""Does GitHub take our credential, was the App granted and installed as needed, and do webhooks find us?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from bot.doctor.finding import Finding
from bot.errors import TokenwatchError
from bot.github.client import GitHub
from bot.github.deliveries import Attempt, Hook, HookDeliveries, sources
from bot.manifests import GITHUB_EVENTS, GITHUB_PERMISSIONS, NO_ADDRESS
from bot.settings import Settings

WEBHOOKS = "/github/webhooks"
LOOK_BACK = "per_page=5"


async def github_findings(settings: Settings, github: GitHub) -> AsyncIterator[Finding]:
    if not github.configured:
        return
    try:
        lacking = await github.lacking_permissions()
    except TokenwatchError as error:
        yield Finding("github", "wrong", error.message, credential_mend(github, error))
        return
    yield Finding("github", "ok", "GitHub takes the credential")
    for permission in lacking:
        mend = "Grant it in the App's settings and accept it."
        yield Finding("github", "wrong", f"the App lacks {permission}", mend)
    if github.is_app:
        async for finding in _installations(github, lacking):
            yield finding
    hooks = sources(github.is_app, settings.github_hooks)
    if not hooks:
        said = "no hook is known: what GitHub cannot deliver is found by comparing runs alone"
        yield Finding("hook", "ok", said, "Name it in GITHUB_HOOKS.")
    for hook in hooks:
        async for finding in _hook(settings, github, hook):
            yield finding


def credential_mend(github: GitHub, error: TokenwatchError) -> str:
    """What to do when GitHub does not take us as who we are."""
    if error.reason == "github-key":
        return "Give the text of the PEM file, or the path of a file that the bot may read."
    name = "GITHUB_APP_ID and GITHUB_PRIVATE_KEY" if github.is_app else "GITHUB_TOKEN"
    return f"Check {name}, and GITHUB_API_URL."


async def _installations(github: GitHub, of_the_app: list[str]) -> AsyncIterator[Finding]:
    """What each was not granted although the App asks for it."""
    try:
        answer = await github.ask("GET", "/app/installations?per_page=100", jwt=github.app_jwt())
    except TokenwatchError as error:
        yield Finding("github", "warning", f"the installations cannot be seen: {error.message}", "Try again.")
        return
    found = [one for one in answer.body or () if isinstance(one, dict)]
    if not found:
        yield Finding("github", "wrong", "the App is installed nowhere", "Install it on the repositories that publish.")
    for one in found:
        account = one.get("account") or {}
        where = str(account.get("login") if isinstance(account, dict) else "") or "an account"
        if one.get("suspended_at"):
            yield Finding("github", "wrong", f"the App is suspended in {where}", "Unsuspend it in the settings there.")
            continue
        granted, events = one.get("permissions") or {}, one.get("events") or []
        missing = [f"{name}: {level}" for name, level in GITHUB_PERMISSIONS.items() if name not in granted]
        # Personal accounts have no organisation secrets, and are never asked for them.
        missing = [m for m in missing if one.get("target_type") != "User" or not m.startswith("organization_")]
        missing += [f"the event {event}" for event in GITHUB_EVENTS if event not in events]
        missing = [one for one in missing if one not in of_the_app]
        if missing:
            said = f"{where} has not accepted: {', '.join(missing)}"
            yield Finding("github", "wrong", said, "An owner accepts it under Settings, GitHub Apps, Review request.")


async def _hook(settings: Settings, github: GitHub, hook: Hook) -> AsyncIterator[Finding]:
    try:
        page = await HookDeliveries(github).page(hook, LOOK_BACK)
    except TokenwatchError as error:
        mend = "Check the number in GITHUB_HOOKS and that the credential may read webhooks."
        yield Finding("sweep", "wrong", f"what {hook.name} did not deliver cannot be seen: {error.message}", mend)
        return
    yield Finding("sweep", "ok", f"what {hook.name} could not deliver is fetched later")
    url, wrong = await _target(github, hook)
    if wrong is not None:
        yield wrong
    elif url is not None and urlsplit(url).hostname == urlsplit(NO_ADDRESS).hostname:
        every = int(settings.sweep_every.total_seconds() // 60)
        yield Finding("hook", "ok", f"{hook.name} has no address: GitHub is asked every {every} minutes instead")
        return
    elif url is not None:
        yield _at_our_door(settings, hook, url)
    if page is not None and page.attempts:
        last = page.attempts[0]
        if not last.ok:
            yield _failed(hook, last)


async def _target(github: GitHub, hook: Hook) -> tuple[str | None, Finding | None]:
    """Where the hook posts to, None when we may not see it; or what is wrong with the hook."""
    as_app = github.app_jwt() if hook.kind == "app" else None
    path = "/app/hook/config" if hook.kind == "app" else hook.path.removesuffix("/deliveries")
    try:
        answer = await github.ask("GET", path, repo=hook.owner, jwt=as_app)
    except TokenwatchError:
        return None, None
    body: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
    config = body if hook.kind == "app" else body.get("config") or {}
    if body.get("active") is False:
        return None, Finding("hook", "wrong", f"{hook.name} is not active", "Tick Active in the webhook's settings.")
    events = body.get("events")
    if isinstance(events, list) and not {"workflow_run", "*"} & set(events):
        mend = "Tick Workflow runs in the webhook's settings."
        return None, Finding("hook", "wrong", f"{hook.name} does not send the event workflow_run", mend)
    return (str(config["url"]) if config.get("url") else None), None


def _at_our_door(settings: Settings, hook: Hook, url: str) -> Finding:
    parts = urlsplit(url)
    wanted = f"{(settings.public_url or f'{parts.scheme}://{parts.netloc}').rstrip('/')}{WEBHOOKS}"
    if url.rstrip("/") != wanted:
        shown = f"{parts.scheme}://{parts.hostname}{parts.path}"  # a query or password may hold a secret
        return Finding("hook", "wrong", f"{hook.name} posts to {shown}", f"Set its address to {wanted}.")
    return Finding("hook", "ok", f"{hook.name} posts to {wanted}")


def _failed(hook: Hook, last: Attempt) -> Finding:
    """Why GitHub's last try failed, by what it was answered."""
    at = f"{last.delivered_at:%Y-%m-%d %H:%M} UTC"
    if last.status == 401:
        mend = "Give the webhook and GITHUB_WEBHOOK_SECRET the same secret."
        return Finding("hook", "wrong", f"{hook.name} signs with another secret: refused at {at}", mend)
    if last.status in (301, 302, 307, 308, 404, 405):
        mend = f"The address must end in {WEBHOOKS} and answer without a redirect."
        return Finding("hook", "wrong", f"{hook.name} was answered {last.status} at {at}", mend)
    what = f"was answered {last.status}" if last.status else "reached nobody"
    mend = "Check the address, its certificate and the proxy in front of the bot; the sweep fetches what was lost."
    return Finding("hook", "warning", f"{hook.name} {what} at {at}", mend)
