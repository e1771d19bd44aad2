"""From the confirmed page to the placed order, and back again when it does not come about."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from services.chassis.db import Database
from services.chassis.errors import NotFound, RuumError, StillRunning
from services.chassis.jst import BusinessCalendar, Closure
from services.store.orders.domain import OrderAlreadyPlaced, OrderBeingPlaced
from services.store.orders.models import OrderView
from services.store.payments.domain import AttemptOver
from services.store.placing.domain import AttemptWasBegun, PaymentNotGood, PointsPart
from tests.store.world import World, as_member, new_member, request_id
from tests.support.insisting import insisting


@pytest.mark.rule("PT-04")
async def test_what_was_confirmed_is_frozen_with_its_shares_and_parts(world: World, member: str) -> None:
    world.neighbours.points = 1_000
    view = await world.ready(member, coupon_code=await world.coupon(), points_choice="all")

    begun = await world.begun(view)

    (line,) = (await world.order(view.order_id)).lines
    assert (line.coupon_share, line.points_share) == (500, 1_000)
    assert begun.points_parts == (PointsPart(line_id=line.line_id, points=1_000),)
    assert (begun.points, begun.due, begun.means, begun.member_id) == (1_000, 1_800, "card", member)


@pytest.mark.rule("SK-28")
async def test_dispatch_is_promised_seven_business_days_later_with_the_calendar_it_was_counted_by(
    world: World, member: str
) -> None:
    order = await world.placed(member)

    assert order.promised_dispatch_on == date(2026, 7, 14)
    assert order.calendar_version == world.calendar.version


async def test_a_closure_moves_the_promise(database: Database, member: str) -> None:
    closed = BusinessCalendar([Closure(date(2026, 7, 6), date(2026, 7, 10))])
    world = World(database, closed)

    order = await world.placed(member)

    # Marine Day, the 20th, is no business day either.
    assert (order.promised_dispatch_on, order.calendar_version) == (date(2026, 7, 22), closed.version)


@pytest.mark.rule("SK-27")
async def test_a_placed_order_has_its_number_and_is_told_with_what_it_earns_from(world: World, member: str) -> None:
    world.neighbours.points = 300

    order = await world.placed(member, points_choice="all")

    assert order.state == "placed"
    assert len(order.order_number) == 10
    assert order.placed_at == world.clock.now()
    assert await world.told(order.order_id) == ["order_placed"]
    assert order.totals.earning_amount == 3_000


async def test_no_two_orders_have_one_number(world: World) -> None:
    orders = [await world.placed(new_member()) for _ in range(5)]

    assert len({order.order_number for order in orders}) == 5


@pytest.mark.rule("PR-10")
async def test_a_try_is_begun_once_and_its_repeat_is_given_the_same_answer(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = (await world.snapshot(view)).snapshot_hash
    asked = request_id()

    first = await world.begun(view, snapshot_hash=confirmed, request_id=asked)
    again = await world.begun(view, snapshot_hash=confirmed, request_id=asked)

    assert first == again
    with pytest.raises(AttemptWasBegun):
        await world.begun(view, snapshot_hash=confirmed)
    with pytest.raises(OrderBeingPlaced):
        await world.begun(view, attempt=2, snapshot_hash=confirmed)


async def test_a_try_that_ended_is_not_begun_again_and_the_next_one_is(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = (await world.snapshot(view)).snapshot_hash
    await world.begun(view, snapshot_hash=confirmed)
    await world.abandoned(view.order_id)

    with pytest.raises(AttemptWasBegun):
        await world.begun(view, snapshot_hash=confirmed)

    assert (await world.begun(view, attempt=2, snapshot_hash=confirmed)).attempt == 2


async def test_a_try_abandoned_before_it_began_never_begins(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = (await world.snapshot(view)).snapshot_hash

    left = await world.abandoned(view.order_id, attempt=1)

    assert left.state == "checkout"
    with pytest.raises(AttemptWasBegun):
        await world.begun(view, snapshot_hash=confirmed)


async def test_abandoning_an_earlier_try_leaves_the_present_one_alone(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = (await world.snapshot(view)).snapshot_hash
    await world.abandoned(view.order_id, attempt=1)
    await world.begun(view, attempt=2, snapshot_hash=confirmed)

    assert (await world.abandoned(view.order_id, attempt=1)).state == "placing"


@pytest.mark.rule("ST-23")
async def test_an_order_that_is_not_placed_frees_coupon_and_money_and_is_open_again(world: World, member: str) -> None:
    code = await world.coupon(uses_total=1)
    view = await world.ready(member, coupon_code=code)
    await world.begun(view)
    await world.authorised(view.order_id)
    assert await world.scalar("select used from coupons where code = :c", c=code) == 1

    left = await world.abandoned(view.order_id)

    assert (left.state, left.payment) == ("checkout", None)
    assert await world.scalar("select used from coupons where code = :c", c=code) == 0
    assert world.card.account(view.order_id).state == "voided"
    kept = await world.store.checkouts.get(as_member(member), view.order_id)
    assert (kept.coupon_code, kept.means) == (code, "card")
    again = await world.begun(view, attempt=2)
    assert (again.due, (await world.authorised(view.order_id, attempt=2)).state) == (2_800, "authorised")


async def test_a_placed_order_is_not_abandoned(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(OrderAlreadyPlaced):
        await world.abandoned(order.order_id)


async def test_no_order_is_placed_on_a_payment_that_is_not_good(world: World, member: str) -> None:
    view = await world.ready(member)
    await world.begun(view)
    with pytest.raises(PaymentNotGood):
        await world.confirmed(view.order_id)

    world.card.next_result = "declined"
    assert (await world.authorised(view.order_id)).state == "declined"

    with pytest.raises(PaymentNotGood):
        await world.confirmed(view.order_id)
    await world.abandoned(view.order_id)
    with pytest.raises(AttemptOver):
        await world.confirmed(view.order_id)


async def test_no_payment_is_asked_for_without_an_order_being_placed(world: World, member: str) -> None:
    view = await world.ready(member)

    with pytest.raises(AttemptOver):
        await world.authorised(view.order_id)
    with pytest.raises(NotFound):
        await world.confirmed("ord_00000000000000000000000000")
    assert world.card.asked == []


@pytest.mark.rule("ST-11")
async def test_where_nothing_is_left_to_pay_no_payment_is_asked_for(world: World, member: str) -> None:
    world.neighbours.points = 10_000
    view = await world.updated(await world.opened(member), points_choice="all")

    begun = await world.begun(view)
    payment = await world.authorised(view.order_id)
    order = await world.confirmed(view.order_id)

    assert (begun.means, begun.due, payment.state) == ("none", 0, "none-needed")
    assert (order.state, order.totals.earning_amount) == ("placed", 0)
    assert (await world.captured(order.order_id)).state == "none-needed"
    assert (await world.cancelled(order.order_id)).state == "cancelled"


@pytest.mark.rule("QA-03")
async def test_of_two_hundred_tries_at_once_one_is_begun(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = (await world.snapshot(view)).snapshot_hash
    barrier = asyncio.Barrier(200)

    async def try_it(attempt: int) -> str:
        await barrier.wait()
        try:
            await world.begun(view, attempt=attempt, snapshot_hash=confirmed)
        except RuumError as refused:
            return refused.code
        return "begun"

    outcomes = await asyncio.gather(*(try_it(attempt) for attempt in range(1, 201)))

    assert outcomes.count("begun") == 1
    assert set(outcomes) <= {
        "begun",
        "order-being-placed",
        "attempt-was-begun",
        "order-changed",
        StillRunning.code,
    }


@pytest.mark.rule("SK-22")
async def test_of_two_hundred_tabs_at_once_all_share_one_checkout(world: World, member: str) -> None:
    barrier = asyncio.Barrier(200)

    async def open_it() -> str:
        await barrier.wait()
        return (await insisting(lambda: world.opened(member))).order_id

    opened = await asyncio.gather(*(open_it() for _ in range(200)))

    assert len(set(opened)) == 1
    assert await world.scalar("select count(*) from orders where member_id = :m", m=member) == 1


async def test_every_step_repeated_under_its_id_acts_once(world: World, member: str) -> None:
    view = await world.ready(member)
    await world.begun(view)
    ids = [request_id() for _ in range(4)]

    payments = [await world.authorised(view.order_id, request_id=ids[0]) for _ in range(3)]
    orders: list[OrderView] = [await world.confirmed(view.order_id, request_id=ids[1]) for _ in range(3)]
    captures = [await world.captured(view.order_id, request_id=ids[2]) for _ in range(3)]
    world.clock.advance(timedelta(days=1))
    captures.append(await world.captured(view.order_id, request_id=ids[2]))

    for answers in (payments, orders, captures):
        assert all(answer == answers[0] for answer in answers)
    ref = f"{view.order_id}-1"
    assert world.card.asked == [f"{ref}/authorise", f"{ref}/capture"]
