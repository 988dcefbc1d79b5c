"""GitHub events by (event, action): the list of what is worked. Everything else is stored, counted and ignored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.deps import Deps
from bot.errors import GiveUp
from bot.github import webhook
from bot.github.webhook import Delivery
from bot.inbox import Worked
from handlers.github import (
    installation,
    meta,
    personal_access_token_request,
    ping,
    push,
    registry_package,
    release,
    repository,
    repository_dispatch,
    secret_scanning_alert,
    workflow_run,
)
from storage.deliveries import Stored

Handler = Callable[[Delivery, Deps], Awaitable[Worked]]

EVENTS: dict[tuple[str, str | None], Handler] = {
    ("ping", None): ping.pinged,
    ("workflow_run", "completed"): workflow_run.completed,
    ("push", None): push.to_branch,
    ("release", "published"): release.published,
    ("repository", "renamed"): repository.renamed,
    ("repository", "transferred"): repository.transferred,
    **{("secret_scanning_alert", action): secret_scanning_alert.found for action in secret_scanning_alert.FOUND},
    ("secret_scanning_alert", "resolved"): secret_scanning_alert.resolved,
    **{
        ("personal_access_token_request", action): personal_access_token_request.requested
        for action in ("created", "approved", "denied", "cancelled")
    },
    **{("installation", action): installation.reached for action in installation.REACHED},
    **{("installation", action): installation.lost for action in installation.LOST},
    ("installation_repositories", "added"): installation.repositories_added,
    ("installation_repositories", "removed"): installation.repositories_removed,
    ("registry_package", "published"): registry_package.published,
    ("meta", "deleted"): meta.deleted,
    ("repository_dispatch", "publish-failed"): repository_dispatch.publish_failed,
    ("repository_dispatch", "publish-succeeded"): repository_dispatch.publish_succeeded,
    ("repository_dispatch", "token-checked"): repository_dispatch.token_checked,
    ("repository_dispatch", "token-expiring"): repository_dispatch.token_expiring,
}


def works(event: str, action: str | None) -> bool:
    """Whether anybody works this event."""
    return (event, action) in EVENTS


async def work(stored: Stored, deps: Deps) -> Worked:
    """Hand a stored delivery to whoever works its event."""
    handler = EVENTS.get((stored.event, stored.action))
    if handler is None:
        return Worked("ignored")
    try:
        delivery = webhook.parse(stored.guid, stored.event, stored.body, stored.tries, late=stored.late)
    except webhook.Refused as error:
        raise GiveUp("payload", "the stored body is not a JSON object") from error
    return await handler(delivery, deps)
