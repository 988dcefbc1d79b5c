"""Reports of errors: off by default, and without anything that could be a credential or tell who asked for what."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from bot.error_reports import reporting
from bot.errors import TokenwatchError
from bot.logs import set_up_logging
from bot.settings import Settings

ROOT = Path(__file__).parent.parent
DSN = "https://public-key@errors.example/7"
TOKEN = "npm_" + "Zz9" * 12


class Recording(Transport):
    """Keeps what would have gone over the network."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(json.loads(json.dumps(event, default=str)))


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
def recorded() -> Iterator[Recording]:
    recording = Recording()
    set_up_logging("info", "json")
    with reporting(settings(sentry_dsn=DSN), transport=recording):
        yield recording


def test_an_error_that_is_logged_is_reported_with_its_stack_and_its_delivery(recorded: Recording) -> None:
    log = structlog.get_logger("inbox")
    with structlog.contextvars.bound_contextvars(delivery="72d3162e", delivery_event="ping"):
        try:
            raise ZeroDivisionError("on purpose")
        except ZeroDivisionError:
            log.exception("delivery failed unexpectedly", repo="acme/secret-project")
    (event,) = recorded.events
    assert event["exception"]["values"][0]["type"] == "ZeroDivisionError"
    assert event["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"].startswith("test_an_error")
    assert event["tags"] == {"room": "inbox", "delivery": "72d3162e", "delivery_event": "ping"}
    assert event["release"].startswith("tokenwatch@")


def test_what_is_no_error_is_not_reported(recorded: Recording) -> None:
    structlog.get_logger("inbox").warning("gave up", reason="log-gone")
    logging.getLogger("aiohttp.server").warning("strange request")
    assert recorded.events == []


def test_no_report_holds_a_credential_a_variable_or_the_name_of_the_machine(recorded: Recording) -> None:
    in_a_variable = f"{TOKEN}x"
    try:
        raise ValueError(f"cannot read //registry.npmjs.com/:_authToken={TOKEN}")
    except ValueError:
        structlog.get_logger("x").exception("broke", body=in_a_variable, error_id=TOKEN)
    structlog.get_logger("x").error("cannot store", error=f"near {TOKEN}", delivery=TOKEN)
    logging.getLogger("somebody.else").error("GET /%s", TOKEN)
    assert len(recorded.events) == 3
    said = json.dumps(recorded.events)
    assert "npm_" not in said and "Zz9" not in said
    for event in recorded.events:
        assert not {"request", "user", "extra", "contexts", "modules", "server_name", "breadcrumbs"} & set(event)
    assert '"vars"' not in said and "context_line" not in said


def test_without_a_dsn_nothing_of_it_is_even_imported() -> None:
    program = (
        "import sys; from bot.error_reports import reporting; from bot.settings import Settings\n"
        "with reporting(Settings(_env_file=None)): pass\n"
        "sys.exit(any(name.startswith('sentry_sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sentry_sdk.py").write_text("raise ImportError")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "", "SENTRY_DSN": DSN, "HOST": "127.0.0.1", "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "serve"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: SENTRY_DSN is set, but the extra is not installed")
    assert len(ended.stderr.splitlines()) == 1


def test_a_dsn_that_is_none_is_one_line_without_its_value() -> None:
    with (
        pytest.raises(TokenwatchError, match="SENTRY_DSN is not an address") as refused,
        reporting(settings(sentry_dsn="nonsense-" + TOKEN)),
    ):
        pass
    assert "nonsense" not in str(refused.value)


def test_afterwards_nothing_is_reported_any_more() -> None:
    recording = Recording()
    set_up_logging("info", "json")
    with reporting(settings(sentry_dsn=DSN), transport=recording):
        pass
    structlog.get_logger("x").error("later")
    assert recording.events == []
