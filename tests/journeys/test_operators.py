"""Operators' actions as the Temporal UI sends them, on cases that need them (SK-50, OP-02)."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

KNOWN_LATER = "ZZ99YY88"


async def parcel(town: Town, home: Household, *events: str) -> str:
    """A key on its way, and what the post says of it."""
    order_id = await town.ordered(home, await town.card())
    await home.resident.sees(order_id, "dispatched")
    number = await town.console.tracking_number(order_id, 1)
    for event in events:
        await town.console.parcel(number, event)
    return order_id


async def refused_by_maker(town: Town, home: Household) -> str:
    """A number that the maker confirms and then does not make keys for."""
    await town.console.knows_no(KNOWN_LATER)
    async with town.console.by_hand("maker.check"):
        order_id = await town.ordered(home, await town.card(), KNOWN_LATER)
        await town.console.answers_check(order_id, "exists")
    shown = await town.seen_by_operators(order_id, "maker-refused")
    assert {"`mark_arranged`", "`try_again`"} <= {word.rstrip(":") for word in shown.page.split()}
    return order_id


async def refusal(town: Town, order_id: str, action: str, **said: str) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as no:
        await town.send(order_id, action, **said)
    return no.value.cause.type if isinstance(no.value.cause, ApplicationError) else None


@pytest.mark.rule("SK-50")
async def test_the_desk_refuses_a_number_and_accepts_another_by_its_reference(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.check"):
        order_id = await town.ordered(home, await town.card())
        await home.resident.sees(order_id, "checking")
        await town.act(order_id, "refuse_key_number")
        await home.resident.sees(order_id, "number-asked")
        reference = await town.number_at_desk(order_id, "EF56GH78")
        state = await town.act(order_id, "accept_key_number", operator="op_suzuki", reference=reference)
        used = await refusal(town, order_id, "accept_key_number", reference=reference)
    await home.resident.sees(order_id, "dispatched")

    assert (state, used) == ("checking", "desk-reference-unknown")
    assert await town.audits(order_id) == [
        ("refuse_key_number", "op_sato", "by-phone"),
        ("accept_key_number", "op_suzuki", "by-phone"),
    ]
    assert await town.books_agree() == ()


@pytest.mark.rule("OP-04")
async def test_what_the_maker_refused_is_tried_again_once_it_is_mended(town: Town) -> None:
    home = await town.household()
    order_id = await refused_by_maker(town, home)
    await town.console.knows_no()

    await town.act(order_id, "try_again")
    await home.resident.sees(order_id, "dispatched")

    assert await town.audits(order_id) == [("try_again", "op_sato", "by-phone")]
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-50")
async def test_an_order_arranged_by_telephone_goes_on_and_is_cancelled_when_the_member_never_ordered_it(
    town: Town,
) -> None:
    home = await town.household()
    order_id = await refused_by_maker(town, home)
    await town.console.knows_no()

    state = await town.act(order_id, "mark_arranged")
    await home.resident.post(f"spare-keys/orders/{order_id}/not-mine", household_asked=True)
    await home.resident.sees(order_id, "cancelled")

    assert state == "making"
    assert await town.audits(order_id) == [("mark_arranged", "op_sato", "by-phone")]
    assert await town.mailed(home, "key-order-cancelled-not-mine")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-50")
async def test_a_parcel_that_only_the_telephone_tells_of_is_followed_to_the_door(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.dispatch"):
        order_id = await town.ordered(home, await town.card())
        await home.resident.sees(order_id, "released")
        await town.act(order_id, "mark_dispatched", tracking_number="9999-0000-1111")
        await town.act(order_id, "record_carrier_event", event="absent")
        await home.resident.sees(order_id, "absent")
        await town.act(order_id, "record_carrier_event", event="handed-over")
        order = await home.resident.sees(order_id, "handed-over")

    assert order["tracking_number"] == "9999-0000-1111"
    assert [action for action, _, _ in await town.audits(order_id)] == [
        "mark_dispatched",
        "record_carrier_event",
        "record_carrier_event",
    ]
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-50")
async def test_a_redelivery_is_ordered_and_its_935_yen_are_noted_by_the_desk(town: Town) -> None:
    home = await town.household()
    order_id = await parcel(town, home, "returned")
    await home.resident.sees(order_id, "returned")

    await town.act(order_id, "order_redelivery")
    number = await town.console.tracking_number(order_id, 2)
    await town.shows(home, order_id, "tracking_number", number)
    await town.act(order_id, "record_collected")
    await town.act(order_id, "record_carrier_event", event="handed-over")
    order = await home.resident.sees(order_id, "handed-over")

    assert "key-parcel-collected" in {line["code"] for line in order["timeline"]}
    assert [action for action, _, _ in await town.audits(order_id)] == [
        "order_redelivery",
        "record_collected",
        "record_carrier_event",
    ]
    assert await town.mailed(home, "redelivery-accepted")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-50")
async def test_a_stopped_dispatch_is_let_go_by_two_operators_and_never_by_one(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await home.resident.post(f"spare-keys/orders/{order_id}/mail-redirect")
        await town.console.ready(order_id)
    await home.resident.sees(order_id, "stopped")
    await town.seen_by_operators(order_id, "mail-redirect")

    first = await town.act(order_id, "release_dispatch")
    alone = await refusal(town, order_id, "release_dispatch")
    await town.act(order_id, "release_dispatch", operator="op_suzuki")
    await home.resident.sees(order_id, "dispatched")

    assert (first, alone) == ("stopped", "second-operator-needed")
    assert await town.audits(order_id) == [
        ("release_dispatch", "op_sato", "by-phone"),
        ("release_dispatch", "op_suzuki", "by-phone"),
    ]
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-50")
async def test_a_key_that_was_destroyed_is_closed_without_money_back(town: Town) -> None:
    home = await town.household()
    order_id = await parcel(town, home, "returned")
    await home.resident.sees(order_id, "returned")

    await town.act(order_id, "close_as_destroyed")
    await home.resident.sees(order_id, "destroyed")

    (intent,) = await town.console.payment_intents(order_id)
    assert intent["status"] == "succeeded"
    assert await town.mailed(home, "key-destroyed")
    assert await town.books_agree() == ()


@pytest.mark.parametrize(("decision", "ends"), [("remake", "dispatched"), ("refund", "cancelled")])
@pytest.mark.rule("SK-41")
async def test_a_lost_key_is_made_again_or_paid_back(town: Town, decision: str, ends: str) -> None:
    home = await town.household(points=500)
    order_id = await parcel(town, home)
    await town.act(order_id, "record_carrier_event", event="lost")
    lost = await home.resident.sees(order_id, "lost")
    shown = await town.seen_by_operators(order_id, "parcel-lost")

    await town.act(order_id, "decide", decision=decision)
    await home.resident.sees(order_id, ends)

    made = (await town.console.order(order_id) or {})["making"]
    charge = (await home.resident.get(f"orders/{order_id}"))["payment"]["state"]
    assert lost["next"] == "key-next-lost-decision"
    assert "`decide`" in shown.page
    assert (made, charge) == ((2, "captured") if decision == "remake" else (1, "refunded"))
    assert await town.mailed(home, "key-lost")
    assert await town.books_agree() == ()
