"""The week for a correct key number: in its last seconds, twice, and a second late, by every way a reply can come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deploy.demo.resident import ProblemError
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

UNKNOWN, RIGHT, OTHER = "A0000B12", "AB12CD34", "EF56GH78"


async def asked(town: Town, home: Household) -> dict[str, Any]:
    """An order whose number the maker does not know."""
    order_id = await town.ordered(home, await town.card(), UNKNOWN)
    return await home.resident.sees(order_id, "number-asked")


async def reply(home: Household, order: dict[str, Any], number: str) -> str:
    """The state that a reply leads to, or the code of its refusal."""
    path = f"spare-keys/orders/{order['order_id']}/key-number"
    try:
        return str((await home.resident.post(path, key_number=number))["state"])
    except ProblemError as refused:
        return str(refused.problem["code"])


async def told(home: Household, order: dict[str, Any]) -> list[str]:
    return [line["code"] for line in (await home.resident.key_order(order["order_id"]))["timeline"]]


@pytest.mark.rule("SK-14")
async def test_a_number_in_the_last_seconds_of_the_week_is_followed(town: Town) -> None:
    home = await town.household()
    order = await asked(town, home)

    await town.forward_to(order["until"], -6)
    answer = await reply(home, order, RIGHT)
    await town.forward_to(order["until"], 60)
    await home.resident.sees(order["order_id"], "dispatched")

    assert (order["next"], order["actions"][0]) == ("key-next-your-key-number", "reply-key-number")
    assert answer in {"checking", "accepted", "making"}
    assert await town.mailed(home, "key-number-asked")
    assert await town.mailed(home, "key-number-accepted")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-13")
async def test_a_number_one_second_after_the_week_changes_nothing_and_everything_comes_back(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.ordered(home, await town.card(), UNKNOWN, points_choice="all")
    order = await home.resident.sees(order_id, "number-asked")

    await town.forward_to(order["until"], 1)
    answer = await reply(home, order, RIGHT)
    await home.resident.sees(order_id, "cancelled")
    await town.console.is_replied(order_id, RIGHT)
    await town.console.all_sent("maker")

    assert answer == "key-number-not-asked"
    assert "key-late-reply" in await told(home, order)
    assert len(await town.console.checks(order_id)) == 1
    assert [intent["status"] for intent in await town.console.payment_intents(order_id)] == ["canceled"]
    assert (await home.resident.get("points"))["available"] == 500
    assert await town.mailed(home, "key-order-cancelled-number")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-14")
async def test_of_two_numbers_at_once_one_is_looked_up_and_the_other_is_refused(town: Town) -> None:
    home = await town.household()
    order = await asked(town, home)

    answers = await asyncio.gather(*(reply(home, order, number) for number in (RIGHT, OTHER)))
    await home.resident.sees(order["order_id"], "dispatched")

    assert sorted(answer == "key-number-not-asked" for answer in answers) == [False, True]
    assert len(await town.console.checks(order["order_id"])) == 2
    assert (await told(home, order)).count("key-number-replied") == 1
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-13")
async def test_a_wrong_reply_gets_another_notice_and_no_new_week(town: Town) -> None:
    home = await town.household()
    order = await asked(town, home)
    await town.forward(days=2)

    await town.console.is_replied(order["order_id"], "B0000C34")
    assert await town.mailed(home, "key-number-asked-again")
    again = await home.resident.sees(order["order_id"], "number-asked")
    reference = await town.number_at_desk(order["order_id"], RIGHT)
    await town.act(order["order_id"], "accept_key_number", reference=reference)
    await home.resident.sees(order["order_id"], "dispatched")

    assert again["until"] == order["until"]
    assert len(await town.console.checks(order["order_id"])) == 3
    assert await town.books_agree() == ()


@pytest.mark.parametrize(("result", "ends"), [("exists", "dispatched"), ("unknown", "cancelled")])
@pytest.mark.rule("SK-14")
async def test_a_check_that_is_not_finished_at_the_deadline_stops_the_week(town: Town, result: str, ends: str) -> None:
    home = await town.household()
    order = await asked(town, home)
    async with town.console.by_hand("maker.check"):
        await reply(home, order, RIGHT)
        await town.forward_to(order["until"], 60)
        after = await home.resident.key_order(order["order_id"])

        await town.console.answers_check(order["order_id"], result)
        await home.resident.sees(order["order_id"], ends)

    assert (after["state"], after["next"]) == ("checking", "key-next-number-checked")
    assert await town.books_agree() == ()
