"""The real bot against the stand-ins: real SQLite, real HTTP, real signatures. Nothing of ours is replaced."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from bot.demo.outside import Outside
from bot.settings import Settings
from storage.database import Database
from tests.running import Running, running_bot, settings_for

# How fast the machine is says nothing about what is tested.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def no_outer_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests must not see the settings, the `.env` or the data of whoever runs them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A handler made in one test would write to that test's closed output in the next."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)


@pytest_asyncio.fixture
async def outside() -> AsyncIterator[Outside]:
    async with Outside.start() as started:
        yield started


@pytest_asyncio.fixture
async def running(outside: Outside, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_bot(outside, settings_for(outside, tmp_path)) as started:
        yield started


@pytest.fixture
def app_key(outside: Outside) -> str:
    """The private key of a GitHub App that the stand-in knows."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    outside.github.api.app_public_key = public.decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'store.db'}")
    yield database
    database.close()
