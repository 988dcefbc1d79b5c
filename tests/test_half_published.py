"""A monorepo that is half published: which packages are out, which are not, and which tags say otherwise."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Clock
from bot.messages.message import columns
from bot.release_tags import MOST_NAMES, tag_names, to_look_up
from storage import incidents
from storage.awaited import Awaited
from tests import hostile, npm_logs
from tests.running import Running
from tests.slack_limits import problems


@pytest.fixture(autouse=True)
def only_our_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot's own clock ticks once at the start; after that the tests say when."""
    monkeypatch.setattr(Clock.__init__, "__defaults__", (3600.0,))


def half_published() -> str:
    """`npm publish --workspaces`: one went out, the second was refused, the third was not tried."""
    return npm_logs.publish_log(
        "+ @acme/core@1.4.0",
        "npm notice 📦  @acme/dom@1.4.0",
        "npm notice name: @acme/dom",
        "npm notice version: 1.4.0",
        "npm notice Publishing to https://registry.npmjs.com/ with tag latest and public access",
        "npm error code E404",
        "npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fdom - Not found",
        "npm error 404  The requested resource '@acme/dom@1.4.0' could not be found or you do not have permission to"
        " access it.",
        npm_logs.EXIT,
        package="@acme/core",
        version="1.4.0",
    )


def rows(running: Running) -> list[str]:
    (card,) = running.cards()
    for block in card.blocks:
        if block["type"] == "rich_text" and "@acme/dom  " in json.dumps(block):
            text: str = block["elements"][0]["elements"][0]["text"]
            return text.splitlines()
    return []


async def later(running: Running, **span: Any) -> None:
    running.hands.ahead += timedelta(**span)
    await running.bot.clock.tick()
    await running.worked()


async def until_over(running: Running) -> None:
    """As many looks as it takes: on a busy machine the registry may not answer one of them in time."""
    for _ in range(4):
        await later(running, minutes=10)
        if not running.db.read_now(incidents.count_open):
            return
    raise AssertionError("it is still open")


async def test_the_card_has_a_row_for_each_package_that_changes_as_versions_appear(running: Running) -> None:
    for name in ("core", "dom"):
        running.outside.registry.publish(f"@acme/{name}", "1.3.0")
    running.outside.registry.publish("@acme/core", "1.4.0")
    running.outside.github.add_tag("acme/ui", "@acme/dom@1.4.0")
    running.outside.github.add_tag("acme/ui", "@acme/dom@1.4.0-next.1")
    await running.deliver_run(half_published())
    await running.worked(1)
    assert rows(running) == ["@acme/dom   1.4.0  not published", "@acme/core  1.4.0  published"]
    assert "1 of 2 packages were published" in json.dumps(running.cards()[0].blocks)
    await later(running, minutes=2)
    assert rows(running)[0] == "@acme/dom   1.4.0  not published, but the tag @acme/dom@1.4.0 exists"
    running.outside.registry.publish("@acme/dom", "1.4.0")
    await until_over(running)
    assert sorted(rows(running)) == ["@acme/core  1.4.0  published", "@acme/dom   1.4.0  on the registry"]
    (incident,) = running.db.read_now(incidents.latest)
    assert (incident.state, incident.resolution) == ("resolved", "@acme/dom 1.4.0 is on the registry.")


async def test_a_tag_without_its_version_is_said_of_a_single_package_too(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    running.outside.github.add_tag("acme/ui", "v2.3.1")
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    await later(running, minutes=2)
    assert "The git tag `v2.3.1` exists, but the version does not." in json.dumps(running.cards()[0].blocks)


async def test_tags_that_cannot_be_read_hold_nothing_up(running: Running) -> None:
    running.outside.registry.publish("@acme/ui", "2.3.0")
    running.outside.github.fail("/git/matching-refs", status=403, times=None)
    await running.deliver_run(npm_logs.not_found())
    await running.worked(1)
    await later(running, minutes=2)
    running.outside.registry.publish("@acme/ui", "2.3.1")
    await until_over(running)


def awaited(number: int = 0, **more: Any) -> Awaited:
    given: dict[str, Any] = {"package": f"@acme/p{number}", "version": "1.0.0", "state": "failed", "times": 1}
    given |= {"run_id": 1, "run_url": None, "since": hostile.NOW, "failed_at": hostile.NOW}
    return Awaited(1, "acme/ui", ".github/workflows/release.yml", **(given | more))


def test_how_release_tools_name_a_tag() -> None:
    assert tag_names(awaited(package="@acme/ui", version="2.3.1")) == (
        "@acme/ui@2.3.1",
        "v2.3.1",
        "ui-v2.3.1",
        "ui@2.3.1",
        "2.3.1",
    )
    assert tag_names(awaited(version=None)) == ()


def test_the_likeliest_tags_of_many_packages_are_looked_for_first_and_never_too_many() -> None:
    names = to_look_up([awaited(number) for number in range(100)])
    assert len(names) == MOST_NAMES
    assert names[0] == ("acme/ui", "@acme/p0@1.0.0")
    assert to_look_up([awaited(settled_at=hostile.NOW), awaited(tag="v1")]) == ()


@given(st.lists(st.tuples(hostile.text, hostile.text), min_size=1, max_size=12))
def test_a_table_of_any_text_is_rows_under_each_other_within_the_limits(cells: list[tuple[str, str]]) -> None:
    part = columns(cells)
    if part is None:
        return
    assert problems([part.block]) == []
    text: str = part.block["elements"][0]["elements"][0]["text"]
    assert len(text.split("\n")) == len(cells)
