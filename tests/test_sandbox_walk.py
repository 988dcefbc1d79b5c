"""The whole demo in a real browser, as somebody sees it who has only read the README: an incident, time, a digest."""

from __future__ import annotations

import pytest
from playwright.async_api import async_playwright, expect

from bot.demo.run import furnished
from tests.test_sandbox_page import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
SOON_MS = 20_000


async def test_a_failure_is_claimed_mended_and_resolved_and_the_morning_brings_the_digest() -> None:
    async with furnished(0) as (outside, _), async_playwright() as playing:
        browser = await playing.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(outside.page_url)
        panel, card = page.get_by_role("complementary"), page.locator("article", has_text="@acme/ui").first
        await panel.get_by_role("button", name="A publish dies of an expired token").click()
        await expect(card).to_contain_text("Token npm-acme-ci expired 2 days ago", timeout=SOON_MS)
        await card.get_by_role("button", name="Claim").click()
        await expect(card).to_contain_text("Mara Kowalski", timeout=SOON_MS)
        await expect(card.get_by_role("button", name="Claim", exact=True)).to_have_count(0, timeout=SOON_MS)
        await panel.get_by_role("button", name="Mara writes a new token").click()
        await panel.get_by_role("button", name="The release runs again").click()
        await expect(card).to_contain_text("Resolved", timeout=SOON_MS)
        await page.get_by_role("button", name="# tokenwatch-ops").click()
        await panel.get_by_role("region", name="Time here").get_by_role("button", name="09:00").click()
        await expect(page.locator("article").last).to_contain_text("npm-acme-charts ends in", timeout=SOON_MS)
        await expect(page.locator(".day").last).to_have_text("Today")
        assert [call for call in outside.slack.calls() if call.error != "ok"] == []
        await browser.close()
