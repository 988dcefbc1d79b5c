"""Log lines are facts with ids. Whatever is logged, also by libraries, passes the mask on its way out."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from bot.credentials import mask

# They log request lines, bodies or whole payloads at these levels.
_CHATTY = ("aiohttp.access", "slack_sdk", "slack_bolt", "asyncio")


def set_up_logging(level: str = "info", fmt: str = "auto") -> None:
    """`level`: debug, info, warning or error; `fmt`: json, console or auto (console on a terminal)."""
    console = fmt == "console" or (fmt == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        masked,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_worth_a_line)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Not what strangers send that is no HTTP: the server answers 400, and would log a traceback for each."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__module__ != "aiohttp.http_exceptions"


def masked(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace everything shaped like a credential in every text of the line."""
    texts = {
        key: value if isinstance(value, str) else repr(value)
        for key, value in event.items()
        if isinstance(value, (str, list, tuple, dict))
    }
    # One search nearly always tells that there is none; each search lets other threads take the interpreter.
    suspicious = mask("\n".join(texts.values()))[1] > 0
    event.update({key: mask(text)[0] for key, text in texts.items()} if suspicious else texts)
    return event
