"""A lease that ends, or a member who leaves the room, at each step of an order (SK-05, SK-36, RM-22)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from deploy.demo.console import until
from deploy.demo.resident import ProblemError
from services.chassis.jst import jst_date
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

Leaves = Callable[[Town, Household], Awaitable[None]]
LEAVES = pytest.mark.parametrize(
    ("leaves", "why"),
    [(Town.moved_out, "lease-ended"), (Town.removed, "not-registered")],
    ids=["lease-ended", "removed"],
)
OPERATORS = ("op_sato", "op_suzuki")


async def refused(home: Household, path: str, **body: object) -> str:
    """The code by which the API refuses."""
    with pytest.raises(ProblemError) as no:
        await home.resident.post(path, **body)
    assert no.value.problem["title"]
    return str(no.value.problem["code"])


async def both(town: Town, order_id: str, action: str) -> None:
    for operator in OPERATORS:
        await town.act(order_id, action, operator=operator)


async def returned(town: Town, home: Household) -> str:
    """A key that is back at the maker."""
    order_id = await town.ordered(home, await town.card())
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "returned")
    await home.resident.sees(order_id, "returned")
    return order_id


@LEAVES
@pytest.mark.rule("SK-05")
async def test_before_placing_nothing_is_ordered_and_nothing_is_taken(town: Town, leaves: Leaves, why: str) -> None:
    home = await town.household()
    order_id = await town.drafted(home, await town.card())
    page = await home.resident.post(f"spare-keys/drafts/{order_id}/review", language="ja")
    ticked = {name: page[name] for name in ("snapshot_hash", "terms_version", "cancellation_version")}

    await leaves(town, home)

    assert await refused(home, f"spare-keys/drafts/{order_id}/review", language="ja") == f"key-room-{why}"
    assert await refused(home, f"spare-keys/drafts/{order_id}/place", **ticked, agreed=True) == f"key-room-{why}"
    assert await town.console.held(order_id) == []


@LEAVES
@pytest.mark.rule("SK-40")
async def test_while_the_number_is_asked_for_only_somebody_who_lives_there_can_give_it(
    town: Town, leaves: Leaves, why: str
) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card(), "A0000B12")
    await home.resident.sees(order_id, "number-asked")

    await leaves(town, home)
    await town.forward(minutes=2)  # what a page shows of a room may be a minute old (RM-05)
    seen = await home.resident.key_order(order_id)
    no = await refused(home, f"spare-keys/orders/{order_id}/key-number", key_number="AB12CD34")
    await town.forward(days=8)
    await home.resident.sees(order_id, "cancelled")

    assert (seen["next"], seen["actions"]) == ("key-next-number-asked", ["report-not-mine", "report-mail-redirect"])
    assert no == f"key-room-{why}"
    assert [intent["status"] for intent in await town.console.payment_intents(order_id)] == ["canceled"]
    assert await town.mailed(home, "key-order-cancelled-number")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-05")
async def test_while_keys_are_cut_a_lease_that_ends_stops_them_until_two_operators_decide(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await town.moved_out(home)
        await town.console.ready(order_id)
    stopped = await home.resident.sees(order_id, "stopped")
    shown = await town.seen_by_operators(order_id, "lease-ended")

    await both(town, order_id, "release_dispatch")
    await town.seen_by_operators(order_id, "lease-ended")
    again = await home.resident.sees(order_id, "stopped")
    await both(town, order_id, "reject_dispatch")
    await home.resident.sees(order_id, "cancelled")

    assert (stopped["next"], stopped["reason"]) == ("key-next-decision", "lease-ended")
    assert "`release_dispatch`" in shown.page
    assert again["version"] > stopped["version"]
    assert (await town.console.order(order_id) or {})["tracking"] == []
    assert [intent["status"] for intent in await town.console.payment_intents(order_id)] == ["canceled"]
    assert await town.mailed(home, "dispatch-stopped", times=2)
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-05")
async def test_keys_that_a_silent_maker_has_not_been_told_of_are_not_ordered_after_the_lease(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.check"):
        order_id = await town.ordered(home, await town.card())
        await town.console.answers_check(order_id, "exists", away_then=True)
        await home.resident.sees(order_id, "making")
    await town.moved_out(home)
    await town.is_back("maker")

    stopped = await home.resident.sees(order_id, "stopped")
    await both(town, order_id, "reject_dispatch")
    await home.resident.sees(order_id, "cancelled")

    assert stopped["reason"] == "lease-ended"
    assert await town.console.order(order_id) is None
    assert await town.books_agree() == ()


async def charge(home: Household, order_id: str) -> str:
    """What has become of the payment."""
    return str((await home.resident.get(f"orders/{order_id}"))["payment"]["state"])


async def looked_at(home: Household, order_id: str, version: int) -> None:
    """Waits until a look at the room was due and taken."""

    async def taken() -> bool | None:
        return True if (await home.resident.key_order(order_id))["version"] >= version + 2 else None

    await until(taken, "the room to be looked at")


async def at_maker(town: Town, order_id: str, **stands: object) -> dict[str, Any]:
    """The order at the maker, once it stands like this there: our page says so a moment before."""

    async def like_this() -> dict[str, Any] | None:
        order = await town.console.order(order_id) or {}
        return order if stands.items() <= order.items() else None

    return await until(like_this, f"the maker to have {stands}")


async def let_go(town: Town, home: Household) -> str:
    """A key that the maker was told to dispatch, and has not."""
    order_id = await town.ordered(home, await town.card())
    await home.resident.sees(order_id, "released")
    await at_maker(town, order_id, released=True)
    return order_id


@LEAVES
@pytest.mark.rule("SK-05")
async def test_a_key_that_was_let_go_is_stopped_at_the_maker_and_paid_back_when_operators_reject_it(
    town: Town, leaves: Leaves, why: str
) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.dispatch"):
        order_id = await let_go(town, home)
        await leaves(town, home)
        stopped = await home.resident.sees(order_id, "stopped")
        shown = await town.seen_by_operators(order_id, why)
        kept = await at_maker(town, order_id, state="stopped")
    await both(town, order_id, "reject_dispatch")
    await home.resident.sees(order_id, "cancelled")

    assert (stopped["next"], stopped["reason"]) == ("key-next-decision", why)
    assert {"`release_dispatch`:", "`reject_dispatch`:"} <= set(shown.page.split())
    assert (kept["released"], kept["tracking"]) == (False, [])
    assert await town.console.parcels(order_id) == []
    assert await town.mailed(home, "dispatch-stopped")
    assert await town.mailed(home, "key-order-cancelled")
    assert await charge(home, order_id) == "refunded"
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-05")
async def test_a_key_that_was_stopped_after_the_release_goes_its_way_once_the_lease_goes_on(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.dispatch"):
        order_id = await let_go(town, home)
        await town.moved_out(home)
        await home.resident.sees(order_id, "stopped")
    await town.seed.restate(home.lease, ends_on=None)
    await both(town, order_id, "release_dispatch")
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "handed_over")
    await home.resident.sees(order_id, "handed-over")

    (_,) = await town.console.payment_intents(order_id)
    assert await charge(home, order_id) == "captured"
    assert len(await town.console.parcels(order_id)) == 1
    assert await town.mailed(home, "dispatch-stopped")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-05")
async def test_a_lease_that_only_changed_its_last_day_does_not_stop_a_key_that_was_let_go(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.dispatch"):
        order_id = await let_go(town, home)
        before = await home.resident.key_order(order_id)
        today = jst_date(town.machine.clock.now())
        await town.seed.restate(home.lease, ends_on={"iso": today.isoformat()})
        await looked_at(home, order_id, before["version"])
        await town.console.dispatches(order_id)
    order = await home.resident.sees(order_id, "dispatched")

    assert order["reason"] == ""
    assert "key-dispatch-stopped" not in {line["code"] for line in order["timeline"]}


@pytest.mark.rule("SK-05")
async def test_a_key_that_a_carrier_had_before_our_stop_costs_nobody_twice_and_operators_know(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.dispatch"):
        order_id = await let_go(town, home)
        await town.console.holds_webhooks("maker")
        await town.console.dispatches(order_id)
        await town.removed(home)
        await home.resident.sees(order_id, "stopped")
        shown = await town.seen_by_operators(order_id, "stopped-too-late")
        for decision in ("release_dispatch", "reject_dispatch"):
            with pytest.raises(WorkflowUpdateFailedError):
                await town.send(order_id, decision)
    await town.console.lets_go("maker")
    on_its_way = await home.resident.sees(order_id, "dispatched")
    await town.seen_by_operators(order_id, "not-registered")
    await town.console.parcel(on_its_way["tracking_number"], "handed_over")
    await home.resident.sees(order_id, "handed-over")

    (_,) = await town.console.payment_intents(order_id)
    assert "`mark_dispatched`" in shown.page
    assert "`reject_dispatch`" not in shown.page
    assert await charge(home, order_id) == "captured"
    assert len(await town.console.parcels(order_id)) == 1
    assert await town.books_agree() == ()


@LEAVES
@pytest.mark.rule("SK-36")
async def test_a_returned_key_goes_nowhere_after_the_lease_and_is_destroyed_when_its_month_is_over(
    town: Town, leaves: Leaves, why: str
) -> None:
    home = await town.household()
    order_id = await returned(town, home)

    await leaves(town, home)
    await town.forward(minutes=2)  # what a page shows of a room may be a minute old (RM-05)
    seen = await home.resident.key_order(order_id)
    no = await refused(home, f"spare-keys/orders/{order_id}/redelivery", charge_accepted=True)
    with pytest.raises(WorkflowUpdateFailedError):
        await town.send(order_id, "order_redelivery")
    for _ in range(2):
        await town.forward(days=16)
        await home.resident.key_order(order_id)  # whoever looks in now and then stays signed in
    await home.resident.sees(order_id, "destroyed")

    assert "request-redelivery" not in seen["actions"]
    assert (seen["next"], no) == ("key-next-storage-ends", f"key-room-{why}")
    assert [parcel["carrier"] for parcel in await town.console.parcels(order_id)] == ["post"]
    assert [intent["status"] for intent in await town.console.payment_intents(order_id)] == ["succeeded"]
    assert await town.mailed(home, "key-destroyed")
    assert await town.books_agree() == ()


@pytest.mark.parametrize(("decision", "ends"), [("refund", "cancelled"), ("no-refund", "destroyed")])
@pytest.mark.rule("SK-36")
async def test_a_redelivery_that_the_lease_did_not_outlive_stops_and_operators_decide_on_the_money(
    town: Town, decision: str, ends: str
) -> None:
    home = await town.household()
    order_id = await returned(town, home)
    await town.console.suffers("maker", away=True)
    await home.resident.post(f"spare-keys/orders/{order_id}/redelivery", charge_accepted=True)
    await home.resident.sees(order_id, "redelivering")

    await town.moved_out(home)
    await home.resident.sees(order_id, "stopped")
    await town.is_back("maker")
    await town.seen_by_operators(order_id, "lease-ended")
    await town.act(order_id, "decide", decision=decision)
    await home.resident.sees(order_id, ends)

    (intent,) = await town.console.payment_intents(order_id)
    assert len(await town.console.parcels(order_id)) == 1
    assert intent["latest_charge"] is not None
    assert await town.books_agree() == ()
