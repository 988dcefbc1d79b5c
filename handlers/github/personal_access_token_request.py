"""`personal_access_token_request`: a fine-grained token was asked for, approved, refused or taken back."""

from __future__ import annotations

from bot.deps import Deps
from bot.errors import GiveUp
from bot.fleet import personal_tokens
from bot.github.webhook import Delivery
from bot.inbox import Worked


async def requested(delivery: Delivery, deps: Deps) -> Worked:
    data = delivery.payload.get("personal_access_token_request")
    if not isinstance(data, dict) or not delivery.repository:
        raise GiveUp("payload", "the payload has no request or no organisation")
    organisation = delivery.repository.partition("/")[0]
    return await personal_tokens.requested(data, organisation, delivery.action or "", deps)
