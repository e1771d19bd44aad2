"""The account that `ruum up` prints: ready to order with, and found again at every start (OP-20)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.demo.resident import ProblemError, Resident
from deploy.seed import account
from tests.journeys.town import Town

pytestmark = pytest.mark.timeout(240)


async def printed(town: Town) -> tuple[str, str, str]:
    """Address, password and the order in the cart, as a person reads them."""
    (line,) = [line for line in await account.prepare(town.stack) if "demo account" in line]
    found = re.search(r"account +(\S+), password “(.+)”: .* (ord_\w+)$", line)
    assert found is not None, line
    return found[1], found[2], found[3]


@asynccontextmanager
async def signed_in(town: Town, mail: str, password: str) -> AsyncIterator[Resident]:
    await town.forward(minutes=2)  # between two codes to one address
    resident = Resident(town.stack.table.environment.public_url, town.console)
    try:
        await resident.sign_in(mail, password)
        yield resident
    finally:
        await resident.close()


@pytest.mark.rule("OP-20")
async def test_the_printed_account_has_a_room_and_a_cart_and_orders_what_is_in_it(town: Town) -> None:
    mail, password, order_id = await printed(town)
    again = await printed(town)

    async with signed_in(town, mail, password) as resident:
        rooms = (await resident.get("rooms"))["rooms"]
        placed = await resident.place(order_id)
    other = await printed(town)

    assert again == (mail, password, order_id)
    assert [room["room_number"] for room in rooms] == [account.RESIDENT.room_number]
    assert placed["outcome"] == "placed"
    assert other[:2] == (mail, password)
    assert other[2] != order_id


async def test_a_cart_is_left_as_its_owner_has_changed_it_and_filled_again_once_it_was_dropped(town: Town) -> None:
    mail, password, order_id = await printed(town)

    async with signed_in(town, mail, password) as resident:
        await resident.draft_key((await resident.get("rooms"))["rooms"][0]["room_id"], "ic", 3, "AB12CD34")
        assert await printed(town) == (mail, password, order_id)
        left = await resident.get(f"spare-keys/drafts/{order_id}")
        await resident.call("DELETE", f"spare-keys/drafts/{order_id}")
        *_, filled = await printed(town)
        placed = await resident.place(filled)

    assert (left["kind"], left["quantity"]) == ("ic", 3)
    assert filled != order_id
    assert placed["outcome"] == "placed"


async def test_an_account_that_cannot_be_made_ready_is_said_and_stops_nothing(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_resident: Resident, _mail: str, _password: str) -> None:
        raise ProblemError({"status": 400, "code": "credentials-wrong", "title": "no"})

    monkeypatch.setattr(Resident, "come_in", refuses)

    account_line, room_line = await account.prepare(town.stack)

    assert "not ready: 400 credentials-wrong" in account_line
    assert "codes" in room_line
