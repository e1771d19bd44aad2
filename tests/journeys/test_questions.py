"""Every page is answered from the tables of whom it is about, whatever the processes are doing (PR-14)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deploy.demo.console import until
from services.gateway.routes.table import ENDPOINTS
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(120)

UNKNOWN = "A0000B12"
OF_A_CART = {"/checkouts/{order_id}", "/checkouts/{order_id}/coupons", "/spare-keys/drafts/{order_id}"}
"""Pages that an order has until it is placed."""


@contextmanager
def standing_still(town: Town, *names: str) -> Iterator[None]:
    """Programs of the stack that hear nothing and answer nothing; then they go on."""
    pids = [town.stack.processes.pids()[name] for name in names]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def pages(home: Household, order_id: str) -> dict[str, Any]:
    asked = {endpoint.path for group in ENDPOINTS.values() for endpoint in group if endpoint.verb == "GET"}
    paths = [path.format(room_id=home.room_id, order_id=order_id).strip("/") for path in sorted(asked - OF_A_CART)]
    async with asyncio.timeout(20):
        return {path: await home.resident.get(path) for path in paths}


@pytest.mark.rule("PR-14")
async def test_every_page_is_answered_while_processes_and_events_stand_still(town: Town) -> None:
    home = await town.household(points=50)
    order_id = await town.ordered(home, await town.card(), UNKNOWN)
    await home.resident.sees(order_id, "number-asked")

    async def earning() -> bool | None:
        return True if int((await home.resident.get("points"))["pending"]) else None

    await until(earning, "the points of the order")
    before = await pages(home, order_id)

    with standing_still(town, "temporal", "nats", "worker"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await town.case(order_id).describe()
        meanwhile = await pages(home, order_id)

    assert meanwhile == before


@pytest.mark.rule("RM-05")
async def test_the_page_of_a_key_is_shown_without_what_a_store_says_that_hangs(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card(), UNKNOWN)
    await home.resident.sees(order_id, "number-asked")

    with standing_still(town, "store"):
        page = await home.resident.key_order(order_id)

    assert page["state"] == "number-asked"
    assert "reply-key-number" in page["actions"]
