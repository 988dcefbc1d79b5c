"""Optional: defects are reported to Sentry when SENTRY_DSN is set and the extra `sentry` is installed.

What goes there is less than what is logged: the log line of an error and where in our code it happened. No request,
header, body, variable or name of the machine, and every text passes the mask.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from bot import __version__
from bot.credentials import mask
from bot.errors import TokenwatchError
from bot.settings import Settings

FLUSH_WITHIN_S = 2.0
KEPT = ("event_id", "timestamp", "level", "release", "platform", "exception", "message", "tags", "fingerprint", "sdk")
TAGS = ("delivery", "delivery_event", "error_id", "what")


class NotInstalled(TokenwatchError):
    def __init__(self) -> None:
        super().__init__(
            "sentry-not-installed",
            "SENTRY_DSN is set, but the extra is not installed: pip install 'tokenwatch[sentry]', or unset it",
        )


@contextlib.contextmanager
def reporting(settings: Settings, transport: Any = None) -> Iterator[None]:
    """Errors that are logged meanwhile are reported. `transport`: Sentry's, for tests. Raises NotInstalled."""
    if settings.sentry_dsn is None:
        yield
        return
    try:
        # Not at the top: it costs a tenth of a second and megabytes, and nearly nobody needs it.
        import sentry_sdk
        from sentry_sdk.utils import BadDsn
    except ImportError:
        raise NotInstalled from None
    try:
        sentry_sdk.init(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=f"tokenwatch@{__version__}",
            transport=transport,
            default_integrations=False,
            auto_enabling_integrations=False,
            before_send=_scrubbed,
            max_breadcrumbs=0,
            send_default_pii=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            server_name="",
        )
    except BadDsn:
        raise TokenwatchError("sentry-dsn", "SENTRY_DSN is not an address as Sentry gives it") from None
    handler = _Reports()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        sentry_sdk.get_client().close(timeout=FLUSH_WITHIN_S)
        sentry_sdk.get_global_scope().set_client(None)


class _Reports(logging.Handler):
    """One report for each line of level error; with the stack if an exception is being handled and was logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        import sentry_sdk

        line = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("room", record.name)
            for name in TAGS:
                if name in line:
                    scope.set_tag(name, str(line[name]))
            scope.fingerprint = ["{{ default }}", record.name, str(line.get("event"))]
            if "exception" in line or record.exc_info:
                scope.capture_exception()
            else:
                told = " ".join(str(line[name]) for name in ("event", "reason", "error") if name in line)
                scope.capture_message(told, level="error")


def _scrubbed(event: Any, hint: Any) -> Any:
    """What is known to be harmless, masked; the rest stays here."""
    return _masked({name: event[name] for name in KEPT if name in event})


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)[0]
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value
