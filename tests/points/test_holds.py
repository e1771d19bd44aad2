"""Points put aside for an order, and what becomes of them (PT-20 to PT-25)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.points.holds.domain import (
    GivesBackTooMuch,
    HoldExists,
    HoldNotFound,
    HoldPoints,
    HoldTooLate,
    Part,
    PartCaptured,
    PartNotCaptured,
    PartNotFound,
    PartReleased,
    PartsDoubled,
    PointsShort,
)
from services.points.ledger.domain import Lapse
from tests.points.world import WORKER, World, a_member, an_order, request

DAY = timedelta(days=1)


# Holding.


@pytest.mark.rule("PT-21")
async def test_what_ends_soonest_is_taken_first_and_normal_points_by_their_age(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    await world.earned(member, 20)
    late = await world.limited(member, 5, world.today + 9 * DAY)
    soon = await world.limited(member, 5, world.today + DAY)

    await world.hold(member, order, a=24)

    taken = await world.rows("select lot_id, points from points.entries where order_id = :o order by position", o=order)
    old, new = await world.rows(
        "select lot_id from points.lots where member_id = :m and kind = 'normal' order by granted_at", m=member
    )
    assert [(row["lot_id"], row["points"]) for row in taken] == [
        (soon, 5),
        (late, 5),
        (old["lot_id"], 10),
        (new["lot_id"], 4),
    ]


@pytest.mark.rule("PT-20")
async def test_a_point_is_a_yen_and_all_points_may_be_used(world: World) -> None:
    member = a_member()
    await world.limited(member, 100_000, world.today)

    hold = await world.hold(member, an_order(), goods=99_500, shipping=500)

    assert [(part.points, part.yen) for part in hold.parts] == [(99_500, 99_500), (500, 500)]
    assert (await world.balance(member)).available == 0


async def test_holding_more_than_there_is_tells_how_much_there_is_and_changes_nothing(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 99, world.today)
    before = await world.kinds(member)

    with pytest.raises(PointsShort) as short:
        await world.hold(member, order, a=60, b=40)

    assert short.value.params == {"available": 99}
    assert await world.kinds(member) == before
    assert await world.rows("select 1 from points.holds where order_id = :o", o=order) == []
    assert len((await world.hold(member, order, a=60, b=39)).parts) == 2


async def test_somebody_without_points_has_none_to_hold(world: World) -> None:
    with pytest.raises(PointsShort) as short:
        await world.hold(a_member(), an_order(), a=1)

    assert short.value.params == {"available": 0}


@pytest.mark.rule("PT-24")
async def test_a_hold_has_a_part_a_line_and_each_is_decided_exactly_once(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30, b=20, c=10)

    await world.capture(order, "a")
    await world.release(order, "b")

    for decide in (world.capture, world.release):
        with pytest.raises(PartCaptured):
            await decide(order, "a")
        with pytest.raises(PartReleased):
            await decide(order, "b", "c")
    rest = await world.capture(order)
    assert {part.part_id: part.state for part in rest.parts} == {"a": "captured", "b": "released", "c": "captured"}
    balance = await world.balance(member)
    assert (balance.available, balance.held) == (60, 0)


async def test_a_part_that_was_decided_keeps_the_others_of_the_same_call_undecided(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30, b=20)
    await world.release(order, "a")

    with pytest.raises(PartReleased):
        await world.capture(order, "b", "a")

    assert (await world.balance(member)).held == 20


async def test_when_all_is_decided_nothing_is_left_to_capture_or_release(world: World) -> None:
    member, spent, free = a_member(), an_order(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, spent, a=30)
    await world.hold(member, free, a=30)
    await world.capture(spent)
    await world.release(free)

    for decide in (world.capture, world.release):
        with pytest.raises(PartCaptured):
            await decide(spent)
        with pytest.raises(PartReleased):
            await decide(free)


async def test_what_was_never_held_cannot_be_captured(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30)

    with pytest.raises(HoldNotFound):
        await world.capture(an_order())
    with pytest.raises(HoldNotFound):
        await world.capture(order, attempt=2)
    with pytest.raises(PartNotFound):
        await world.capture(order, "b")


async def test_an_order_and_attempt_have_one_hold(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30)

    with pytest.raises(HoldExists):
        await world.hold(member, order, a=30)
    await world.hold(member, order, attempt=2, a=30)

    assert (await world.balance(member)).held == 60


async def test_a_hold_names_each_line_once(world: World) -> None:
    member = a_member()
    await world.limited(member, 100, world.today)
    parts = (Part(part_id="a", points=1), Part(part_id="a", points=2))
    asked = HoldPoints(request_id=request(), member_id=member, order_id=an_order(), attempt=1, parts=parts)

    with pytest.raises(PartsDoubled):
        await world.holds.hold(WORKER, asked)


# Spending and releasing.


@pytest.mark.rule("PT-22")
async def test_spent_points_are_gone(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30)

    await world.capture(order)

    balance = await world.balance(member)
    assert (balance.available, balance.held) == (70, 0)
    assert (await world.kinds(member))[-1] == ("spent", 30)


async def test_released_points_are_back_in_the_lots_they_came_from(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.limited(member, 10, world.today + DAY)
    before = await world.lots(member)
    await world.hold(member, order, a=7, b=7)

    await world.release(order)

    assert await world.lots(member) == before
    assert (await world.balance(member)).lapses == (
        Lapse(last_day=world.today, points=10),
        Lapse(last_day=world.today + DAY, points=10),
    )


async def test_a_hold_that_comes_after_its_release_is_refused(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)

    buried = await world.release(order)

    assert buried.parts == ()
    with pytest.raises(HoldTooLate):
        await world.hold(member, order, a=30)
    with pytest.raises(PartReleased):
        await world.capture(order)
    assert (await world.balance(member)).available == 100
    await world.hold(member, order, attempt=2, a=30)


async def test_points_in_a_hold_do_not_lapse_before_the_order_is_decided(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=100)

    world.pass_time(days=40)
    await world.post_all_expiry()

    assert (await world.balance(member)).held == 100
    await world.capture(order)
    assert (await world.balance(member)).held == 0


# Giving back.


@pytest.mark.rule("PT-25")
async def test_points_given_back_return_to_the_lots_they_came_from_with_their_end(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    await world.limited(member, 10, world.today + 3 * DAY)
    await world.hold(member, order, a=15)
    await world.capture(order)

    given = await world.give_back(order, "a", 8)

    assert (given.returned, given.reissued, given.lost) == (8, 0, 0)
    assert await world.lots(member) == [("normal", 10), ("limited", 3)]
    balance = await world.balance(member)
    assert balance.lapses[0] == Lapse(last_day=world.today + 3 * DAY, points=3)


async def test_limited_points_that_lapsed_are_lost_when_the_customer_cancelled(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=10)
    await world.capture(order)
    world.pass_time(days=1)

    given = await world.give_back(order, "a", 10)

    assert (given.returned, given.reissued, given.lost) == (0, 0, 10)
    assert (await world.balance(member)).available == 0
    await world.post_all_expiry()
    assert (await world.kinds(member))[-2:] == [("given-back", 10), ("lapsed", 10)]


async def test_limited_points_that_lapsed_are_issued_again_for_thirty_days_when_the_fault_was_ours(
    world: World,
) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.limited(member, 10, world.today + 9 * DAY)
    await world.hold(member, order, a=15)
    await world.capture(order)
    world.pass_time(days=1)

    given = await world.give_back(order, "a", 15, our_fault=True)

    assert (given.returned, given.reissued, given.lost) == (5, 10, 0)
    assert (await world.balance(member)).lapses == (
        Lapse(last_day=world.today + 8 * DAY, points=10),
        Lapse(last_day=world.today + 30 * DAY, points=10),
    )


@pytest.mark.parametrize(("our_fault", "left"), [(True, 10), (False, 0)])
async def test_a_release_reissues_what_lapsed_only_when_the_fault_was_ours(
    world: World, our_fault: bool, left: int
) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=10)
    world.pass_time(days=1)

    await world.release(order, our_fault=our_fault)

    assert (await world.balance(member)).available == left


async def test_no_more_is_given_back_than_was_spent(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30, b=30, c=30)
    await world.capture(order, "a", "b")
    await world.give_back(order, "a", 10)

    with pytest.raises(GivesBackTooMuch) as too_much:
        await world.give_back(order, "a", 21)
    with pytest.raises(PartNotCaptured):
        await world.give_back(order, "c", 1)
    with pytest.raises(PartNotFound):
        await world.give_back(order, "d", 1)
    with pytest.raises(HoldNotFound):
        await world.give_back(an_order(), "a", 1)

    assert too_much.value.params == {"left": 20}
    await world.give_back(order, "a", 20)
    assert (await world.balance(member)).available == 40


# The same request.


async def test_the_same_request_is_answered_the_same_even_when_lots_lapsed_in_between(world: World) -> None:
    member = a_member()
    await world.limited(member, 100, world.today)
    parts = (Part(part_id="a", points=30),)
    asked = HoldPoints(request_id=request(), member_id=member, order_id=an_order(), attempt=1, parts=parts)
    first = await world.holds.hold(WORKER, asked)
    world.pass_time(days=1)
    await world.post_all_expiry()

    again = await world.holds.hold(WORKER, asked)

    assert again == first
    assert [kind for kind, _ in await world.kinds(member)] == ["granted", "held", "lapsed"]
