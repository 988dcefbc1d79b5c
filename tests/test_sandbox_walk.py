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


async def test_an_incident_is_handed_over_put_off_closed_and_opened_again() -> None:
    async with furnished(0) as (outside, _), async_playwright() as playing:
        browser = await playing.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(outside.page_url)
        card, form = page.locator("article", has_text="@acme/ui").first, page.get_by_role("dialog")
        await page.get_by_role("button", name="A publish dies of an expired token").click()
        await expect(card).to_contain_text("Token npm-acme-ci expired 2 days ago", timeout=SOON_MS)
        await card.get_by_role("button", name="Claim").click()
        await card.get_by_role("button", name="Hand over").click(timeout=SOON_MS)
        await form.get_by_label("To whom").select_option(label="Jonas Richter")
        await form.get_by_label("What they should know").fill("the token is made, the secret is not yet written")
        await form.get_by_role("button", name="Hand over").click()
        await expect(card).to_contain_text("@Jonas Richter is on it", timeout=SOON_MS)
        await card.get_by_role("button", name="Snooze").click()
        await form.get_by_label("Until").select_option(label="3 days")
        await form.get_by_label("Why").fill("npm support answers on Friday")
        await form.get_by_role("button", name="Snooze").click()
        await expect(card).to_contain_text("Snoozed until", timeout=SOON_MS)
        await expect(card).to_contain_text("npm support answers on Friday")
        await card.get_by_role("button", name="End snooze").click()
        await card.get_by_role("button", name="Resolve").click(timeout=SOON_MS)
        await form.get_by_label("How was it settled?").fill("released as 2.3.2 instead")
        await form.get_by_role("button", name="Resolve").click()
        await expect(card).to_contain_text("Resolved: released as 2.3.2 instead.", timeout=SOON_MS)
        await card.get_by_role("button", name="Reopen").click()
        await expect(card).to_contain_text("@Jonas Richter is on it", timeout=SOON_MS)
        await page.get_by_role("combobox", name="Message or command").fill("/tokens claim npm-acme")
        await page.keyboard.press("Enter")
        answer = page.locator("article", has_text="Only visible to you").last
        await expect(answer).to_contain_text("No open incident fits that.", timeout=SOON_MS)
        await page.get_by_role("combobox", name="Message or command").fill("/tokens claim acme/ui")
        await page.keyboard.press("Enter")
        await expect(answer).to_contain_text("You are on no. 1: Token npm-acme-ci expired", timeout=SOON_MS)
        assert [call for call in outside.slack.calls() if call.error != "ok"] == []
        await browser.close()
