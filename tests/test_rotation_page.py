"""A whole rotation by hand in the sandbox page, in a real browser, with a restart of the bot in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

from bot.demo.outside import Outside
from bot.rotation import steps
from tests import rotating
from tests.rotating import furnish, look, published, rotation, stored
from tests.running import Hands, running_bot, settings_for
from tests.test_sandbox_page import CHROMIUM, FLAGS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


def living(page: Page) -> Locator:
    return page.locator("article", has_text="The history is in the thread.").first


async def press(page: Page, name: str) -> None:
    await living(page).get_by_role("button", name=name).click()


async def test_start_make_store_wrongly_fix_prove_wait_revoke_close(outside: Outside, tmp_path: Path) -> None:
    settings, hands = settings_for(outside, tmp_path), Hands()
    async with async_playwright() as playing:
        browser = await playing.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 1200})
        async with running_bot(outside, settings, hands) as running:
            furnish(running, expires_at=hands.now() + timedelta(days=60))
            await page.goto(outside.page_url)
            box = page.get_by_role("combobox", name="Message or command")
            await box.fill("/tokens rotate npm-acme-ci")
            await page.keyboard.press("Enter")
            form = page.get_by_role("dialog", name="Rotate a token")
            await expect(form.get_by_text("acme/ui, release.yml, repository secret NPM_TOKEN")).to_be_visible()
            await form.get_by_label("How", exact=True).select_option("token")
            await form.get_by_label("May the new token bypass two-factor?").select_option("no")
            await form.get_by_role("button", name="Start").click()
            await expect(page.get_by_role("dialog", name="Started")).to_be_visible()
            await page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
            await expect(living(page)).to_contain_text("step 1 of 5: make the new token")

            await press(page, "I made it")
            await page.get_by_role("dialog", name="The new token").get_by_role("button", name="I made it").click()
            await expect(living(page)).to_contain_text("step 2 of 5: store the new token in 1 place", timeout=10_000)
            stored(running, org="acme")
            await press(page, "Look now")
            await expect(living(page)).to_contain_text(
                "The organisation secret NPM_TOKEN was written, but", timeout=10_000
            )

        async with running_bot(outside, settings, hands) as running:
            stored(running)
            await press(page, "Look now")
            await expect(living(page)).to_contain_text("step 3 of 5: publish once, to prove it", timeout=10_000)
            await expect(living(page)).not_to_contain_text("npm token revoke")
            published(running)
            await press(page, "Look now")
            await expect(living(page)).to_contain_text("both tokens are kept alive for now", timeout=10_000)
            await expect(living(page)).not_to_contain_text("npm token revoke")
            hands.ahead += timedelta(hours=25)
            await look(running)
            await expect(living(page)).to_contain_text("npm token revoke", timeout=10_000)

            await press(page, "Tick by hand")
            tick = page.get_by_role("dialog", name="Tick by hand")
            await tick.get_by_label("How do you know?").fill("revoked it on npm")
            await tick.get_by_role("button", name="Say so").click()
            await expect(living(page)).to_contain_text("revoked it on npm", timeout=10_000)
            hands.ahead += timedelta(hours=25)
            await look(running)
            await expect(living(page)).to_contain_text("was replaced by", timeout=10_000)
            assert steps.state(rotation(running)) == "closed"
            assert len([m for m in rotating.card(running).replies if "can go now" in m.text]) == 1
        await browser.close()
