from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from deploy import sandbox as sandbox_package
from deploy.sandbox.settings import Settings
from tests.sandbox.harness import YAMADA, Sandbox

SECTIONS = ["parcels", "keys", "inbox", "cards", "deferred", "epos", "webhooks", "faults"]


async def busy(sandbox: Sandbox) -> None:
    """Something of every kind on the page."""
    new: dict[str, Any] = {
        "order_ref": "ord_1",
        "key_number": "AB12CD34",
        "kind": "normal",
        "quantity": 1,
        **YAMADA,
    }
    for name in ("maker.ready", "maker.dispatch"):
        await sandbox.automatic(name, on=True)
    check = {"order_ref": "ord_1", "key_number": "AB0000CD", "kind": "ic"}
    await sandbox.done("POST", "/maker/checks", check)
    await sandbox.done("POST", "/maker/orders", new)
    await sandbox.done("POST", "/maker/orders/ord_1/release", YAMADA)
    await sandbox.receiver.one("dispatched")
    await sandbox.receiver.one("number_asked")


async def test_the_page_shows_every_partner(sandbox: Sandbox) -> None:
    await busy(sandbox)

    page = await sandbox.http.get("/")

    (parcel,) = await sandbox.seen("parcels")
    assert all(f'id="{section}"' in page.text for section in SECTIONS)
    assert parcel["tracking_number"] in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_key_numbers_are_masked_unless_asked_for(sandbox: Sandbox) -> None:
    await busy(sandbox)
    await sandbox.press("orders/ord_1/number-replied", key_number="QW56ER78")

    shown = [
        (await sandbox.http.get(path)).text
        for path in ("/", *(f"/console/api/{it}" for it in ("orders", "checks", "webhooks")))
    ]
    asked = await sandbox.http.get("/console/api/orders/ord_1/key-number")

    assert not [number for number in ("AB12CD34", "AB0000CD", "QW56ER78") if number in "".join(shown)]
    assert "••••••34" in shown[0]
    assert asked.json() == {"key_number": "AB12CD34"}


async def test_the_page_can_be_narrowed_to_one_reference(sandbox: Sandbox) -> None:
    await busy(sandbox)

    mine = await sandbox.http.get("/", params={"q": "ord_1"})
    other = await sandbox.http.get("/", params={"q": "ord_2"})

    assert "ord_1" in mine.text
    assert "ord_1" not in other.text


async def test_the_revision_changes_with_the_books_only(sandbox: Sandbox) -> None:
    async def revision() -> Any:
        return (await sandbox.http.get("/console/revision")).json()["revision"]

    before = await revision()
    await sandbox.http.get("/")
    still = await revision()
    await sandbox.press("orders/ord_1/number-replied", key_number="QW56ER78")

    assert (before, before == await revision()) == (still, False)


async def test_every_button_of_the_page_is_a_call_that_exists(sandbox: Sandbox) -> None:
    await busy(sandbox)
    page = (await sandbox.http.get("/")).text
    calls = {tuple(call.split(" ")) for call in re.findall(r'data-call="([^"]+)"', page)}

    statuses = {
        call: (await sandbox.http.request(call[0], f"/console/api/{call[1]}", json={"no": 1})).status_code
        for call in calls
        if call != ("POST", "reset")
    }

    assert len(statuses) > 20
    assert {call: status for call, status in statuses.items() if status in {404, 405, 500}} == {}


async def test_reset_empties_the_books(sandbox: Sandbox) -> None:
    await busy(sandbox)
    await sandbox.fault("maker", away=True)

    await sandbox.press("reset")

    lists = ("orders", "checks", "parcels", "inbox", "payment-intents", "transactions", "payments", "webhooks")
    assert [await sandbox.seen(name) for name in lists] == [[]] * len(lists)
    assert (await sandbox.http.get("/console/api/faults")).json()["maker"]["away"] is False


@pytest.mark.parametrize("width", [390, 1400])
async def test_a_person_presses_a_button_and_the_page_follows(sandbox: Sandbox, width: int) -> None:
    await busy(sandbox)
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = await browser.new_page(viewport={"width": width, "height": 900})
        await page.goto(f"{sandbox.url}/")

        await page.get_by_role("button", name="Absent").click()
        await page.locator("#sections article .badge.absent").wait_for()
        await page.locator("button[data-reveal]", has_text="34").click()
        await page.locator("button[data-reveal]", has_text="AB12CD34").wait_for()
        await page.evaluate("refresh()")
        still_shown = await page.locator("button[data-reveal]", has_text="AB12CD34").count()
        await sandbox.press("orders/ord_7/number-replied", key_number="QW56ER78")
        await page.locator("#webhooks ~ .list summary", has_text="number_replied").wait_for()
        scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        await browser.close()

    assert (await sandbox.seen("parcels"))[0]["state"] == "absent"
    assert scrolls is False
    assert still_shown, "what was asked for stays when the page is drawn anew"


def test_the_stand_ins_know_nothing_of_ruum_but_its_clock() -> None:
    files = Path(sandbox_package.__file__).parent.rglob("*.py")

    imported = {
        module for file in files for module in re.findall(r"^(?:from|import) (\S+)", file.read_text(), re.MULTILINE)
    }

    known = {module for module in imported if module.split(".")[0] in {"services", "workflows", "ruum"}}
    assert known == {"services.chassis.clock"}


def test_a_missing_setting_stops_the_start_with_its_name() -> None:
    told = {name.upper(): "127.0.0.1:1" for name in Settings.model_fields if name != "ruum_maker_secret"}

    ended = subprocess.run(
        [sys.executable, "-m", "deploy.sandbox"],
        env={"PATH": os.environ["PATH"], **told},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (ended.returncode, ended.stderr.strip()) == (1, "missing or wrong: RUUM_MAKER_SECRET")
