"""Paying at EPOS in a browser: there, back, and told what became of it (SK-23, ST-21)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from deploy.demo.console import until
from deploy.demo.resident import Means, ProblemError
from deploy.local.ports import LOOPBACK
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@asynccontextmanager
async def telephone_of(town: Town, home: Household) -> AsyncIterator[Page]:
    """A browser of the size of a telephone in which the resident is signed in."""
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = await browser.new_context(viewport={"width": 390, "height": 780}, java_script_enabled=False)
        cookie = {
            "name": "__Host-ruum",
            "value": home.resident.session,
            "domain": LOOPBACK,
            "path": "/",
            "secure": True,
        }
        await context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict
        yield await context.new_page()
        await browser.close()


async def sent_to_epos(home: Household, town: Town) -> tuple[str, str]:
    """An order that waits for its payer, and the page at EPOS."""
    order_id = await town.drafted(home, Means("epos"))
    placed = await home.resident.place(order_id)
    assert placed["outcome"] == "requires-action", placed
    return order_id, placed["redirect_url"]


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("language", ["ja", "en", "zh_Hans"])
async def test_who_agrees_at_epos_comes_back_to_an_order_that_is_placed(
    town: Town, language: str, tmp_path: Path
) -> None:
    home = await town.household(language=language)
    order_id, at_epos = await sent_to_epos(home, town)

    async with telephone_of(town, home) as page:
        await page.goto(at_epos)
        await page.fill("#user", "hanako")
        await page.fill("#password", "secret")
        await page.click("button[value=approved]")
        told = await page.inner_text("[role=status]")
        back = page.url
        await home.resident.sees(order_id, "dispatched")
        reloaded = await page.reload()
        await page.screenshot(path=tmp_path / f"agreed-{language}.png", full_page=True)
        again = await page.inner_text("[role=status]")
        story = await page.locator("ol li").count()

    assert f"/orders/{order_id}/payer-returned" in back
    assert reloaded is not None
    assert reloaded.status == 200
    assert told
    assert again
    assert story > 3
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-23")
async def test_who_declines_at_epos_comes_back_to_an_order_that_is_not_placed(town: Town, tmp_path: Path) -> None:
    home = await town.household(points=300)
    order_id, at_epos = await sent_to_epos(home, town)

    async with telephone_of(town, home) as page:
        await page.goto(at_epos)
        await page.click("button[value=declined]")
        told = await page.inner_text("[role=status]")
        await page.screenshot(path=tmp_path / "declined.png", full_page=True)
        await until(lambda: drafted_again(home, order_id), "the order to be a draft again")
        await page.reload()
        again = await page.inner_text("[role=status]")

    assert "お支払いは成立しませんでした" in told
    assert "お支払いは成立しませんでした" in again
    assert (await home.resident.get("points"))["available"] == 300
    assert await town.books_agree() == ()


async def drafted_again(home: Household, order_id: str) -> bool | None:
    with suppress(ProblemError):
        await home.resident.key_order(order_id)
        return None
    return True


async def test_a_payer_who_comes_back_undecided_is_led_on(town: Town, tmp_path: Path) -> None:
    home = await town.household()
    order_id, at_epos = await sent_to_epos(home, town)

    async with telephone_of(town, home) as page:
        await page.goto(f"{town.stack.table.environment.public_url}/orders/{order_id}/payer-returned")
        await page.screenshot(path=tmp_path / "undecided.png", full_page=True)
        await page.click("[role=status] a")
        led_to = page.url

    assert led_to == at_epos


async def test_of_anothers_payment_a_stranger_sees_nothing(town: Town, tmp_path: Path) -> None:
    home, stranger = await town.household(), await town.household()
    order_id, _ = await sent_to_epos(home, town)

    async with telephone_of(town, stranger) as page:
        answer = await page.goto(f"{town.stack.table.environment.public_url}/orders/{order_id}/payer-returned")
        await page.screenshot(path=tmp_path / "stranger.png", full_page=True)
        shown = await page.inner_text("main")

    assert answer is not None
    assert answer.status == 404
    assert await home.resident.key_order(order_id)
    assert order_id not in shown
