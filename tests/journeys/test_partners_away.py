"""Maker, post, card processor and deferred-payment provider away for an hour, each at a step that needs it (QA-07)."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.console import until
from deploy.demo.resident import Means
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

DEFERRED = Means("deferred")


async def returned(town: Town, home: Household) -> str:
    order_id = await town.ordered(home, await town.card())
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "returned")
    await home.resident.sees(order_id, "returned")
    return order_id


@pytest.mark.rule("SK-15")
async def test_the_maker_is_away_for_an_hour_at_every_step_and_each_order_goes_on_by_itself(town: Town) -> None:
    homes = [await town.household() for _ in range(4)]
    again = await returned(town, homes[3])
    async with town.console.by_hand("maker.check", "maker.ready"):
        cut = await town.ordered(homes[2], await town.card())
        await town.console.answers_check(cut, "exists")
        await town.maker_has(cut)
        known = await town.ordered(homes[1], await town.card())
        await town.console.answers_check(known, "exists", away_then=True)
        new = await town.ordered(homes[0], await town.card())
        await town.console.ready(cut)
        await homes[3].resident.post(f"spare-keys/orders/{again}/redelivery", charge_accepted=True)
    orders = [new, known, cut, again]
    waits = ["checking", "making", "released", "redelivering"]
    seen = [
        await home.resident.sees(order_id, state) for home, order_id, state in zip(homes, orders, waits, strict=True)
    ]

    await town.forward(hours=1)
    states = [(await home.resident.key_order(order_id))["state"] for home, order_id in zip(homes, orders, strict=True)]
    await town.is_back("maker")
    for home, order_id in zip(homes[:3], orders[:3], strict=True):
        await home.resident.sees(order_id, "dispatched")
    await town.console.tracking_number(again, 2)

    assert states == waits
    assert [order["next"] for order in seen] == [
        "key-next-number-checked",
        "key-next-keys-cut",
        "key-next-handed-to-post",
        "key-next-redelivery",
    ]
    assert [len(await town.console.checks(order_id)) for order_id in orders] == [1, 1, 1, 1]
    assert [(await town.console.order(order_id) or {})["making"] for order_id in orders] == [1, 1, 1, 1]
    assert [len(await town.console.parcels(order_id)) for order_id in orders] == [1, 1, 1, 2]
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-15")
async def test_three_business_days_of_silence_call_an_operator_and_a_word_of_the_maker_ends_it(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.check"):
        order_id = await town.ordered(home, await town.card())
        await home.resident.sees(order_id, "checking")
        await town.forward(days=8)
        shown = await town.seen_by_operators(order_id, "no-word-while-checking")
    await home.resident.sees(order_id, "dispatched")

    described = await town.case(order_id).describe()
    assert "`accept_key_number`" in shown.page
    assert "`try_again`" in shown.page
    assert not town.needs_operator(described)
    assert await town.books_agree() == ()


@pytest.mark.rule("QA-07")
async def test_the_card_processor_is_away_while_an_order_is_placed(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, await town.card(), points_choice="all")
    await town.console.suffers("card", away=True)

    pending = await home.resident.place(order_id)
    seen = await home.resident.key_order(order_id)
    await town.is_back("card")
    await home.resident.sees(order_id, "dispatched")

    assert pending["outcome"] == "pending"
    assert (seen["state"], seen["next"], seen["actions"]) == ("placing", "key-next-payment", [])
    assert len(await town.console.payment_intents(order_id)) == 1
    assert (await home.resident.get("points"))["available"] == 0
    assert await town.mailed(home, "key-ordered")
    assert await town.books_agree() == ()


@pytest.mark.rule("QA-07")
async def test_the_card_processor_is_away_while_a_key_is_to_be_paid_and_it_does_not_leave(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await town.console.suffers("card", away=True)
        await town.console.ready(order_id)
    await home.resident.sees(order_id, "cleared")

    await town.forward(hours=1)
    waits = await home.resident.key_order(order_id)
    released = (await town.console.order(order_id) or {})["released"]
    await town.is_back("card")
    await home.resident.sees(order_id, "dispatched")

    (intent,) = await town.console.payment_intents(order_id)
    assert (waits["state"], waits["next"], released) == ("cleared", "key-next-payment-made", False)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 2750)
    assert await town.books_agree() == ()


@pytest.mark.rule("QA-07")
async def test_the_deferred_payment_provider_is_away_while_an_invoice_is_to_be_issued(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, DEFERRED)
    parcel = await town.console.tracking_number(order_id, 1)
    await town.console.suffers("deferred", away=True)
    await town.console.parcel(parcel, "handed_over")
    await home.resident.sees(order_id, "handed-over")

    await town.forward(hours=1)
    await town.is_back("deferred")

    async def issued() -> dict[str, Any] | None:
        order = await home.resident.get(f"orders/{order_id}")
        return order if order["invoice"] and order["invoice"]["state"] == "issued" else None

    order = await until(issued, "the invoice")
    (transaction,) = await town.console.at_deferred(order_id)
    assert (order["state"], transaction["state"], transaction["invoice"]["owed"]) == ("delivered", "invoiced", 2750)
    assert await town.mailed(home, "invoice-issued")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-32")
async def test_what_the_post_tells_an_hour_late_counts_from_when_it_happened(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card())
    await home.resident.sees(order_id, "dispatched")
    await town.console.holds_webhooks("post")
    parcel = await town.console.tracking_number(order_id, 1)
    happened = town.machine.clock.now()
    await town.console.parcel(parcel, "absent")

    await town.forward(hours=1)
    before = await home.resident.key_order(order_id)
    await town.console.lets_go("post")
    absent = await home.resident.sees(order_id, "absent")

    (entry,) = [line for line in absent["timeline"] if line["code"] == "key-parcel-absent"]
    assert before["state"] == "dispatched"
    assert entry["at"][:16] == happened.isoformat()[:16]
    assert await town.mailed(home, "recipient-absent-post")
    assert await town.books_agree() == ()


@pytest.mark.rule("QA-07")
async def test_all_partners_are_killed_under_a_running_order_and_it_ends_well(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card())
    town.kill("sandbox")

    async def back() -> bool | None:
        return True if "sandbox" in town.stack.processes.pids() and await town.console.answers() else None

    await until(back, "the partners to be back")
    await town.is_back("maker")
    await home.resident.sees(order_id, "dispatched")

    assert len(await town.console.payment_intents(order_id)) == 1
    assert (await town.console.order(order_id) or {})["making"] == 1
    assert await town.mailed(home, "key-ordered")
    assert await town.mailed(home, "key-dispatched-by-post")
    assert await town.books_agree() == ()
