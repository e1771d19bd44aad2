"""How long points live, and how their end is entered (PT-10 to PT-12)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from services.chassis.jst import deadline
from services.points.holds.domain import PointsShort
from services.points.ledger.domain import DayNotOver, Lapse, LastDayPassed
from tests.points.world import World, a_member, an_order

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def spendable(world: World, member: str) -> bool:
    """Whether a point can be held now; it is released again."""
    order = an_order()
    try:
        await world.hold(member, order, a=1)
    except PointsShort:
        return False
    await world.release(order)
    return True


# Normal points.


@pytest.mark.rule("PT-10")
async def test_normal_points_live_two_years_from_the_last_order(world: World) -> None:
    member = a_member()
    placed_on = world.today
    await world.earned(member, 10)
    end = deadline(date(placed_on.year + 2, placed_on.month, placed_on.day))

    world.go_to(end - SECOND)
    before = (await world.balance(member)).normal, await spendable(world, member)
    world.pass_time(seconds=1)
    after = (await world.balance(member)).normal, await spendable(world, member)

    assert before == (10, True)
    assert after == (0, False)


async def test_an_order_on_the_729th_day_whose_points_come_on_the_750th_has_kept_the_old_ones(world: World) -> None:
    member, order = a_member(), an_order()
    start = world.now
    await world.earned(member, 10)
    world.go_to(start + 729 * DAY)
    await world.placed(member, order, 2_000)
    world.go_to(start + 739 * DAY)
    await world.post_all_expiry()
    await world.delivered(order)
    world.go_to(start + 750 * DAY)

    await world.post_grant(order)

    balance = await world.balance(member)
    assert balance.normal == 30
    assert balance.lapses == (Lapse(last_day=date(2030, 3, 30), points=30),)
    assert (start + 729 * DAY).date() == date(2028, 3, 30)


@pytest.mark.parametrize("posted", [True, False])
async def test_what_has_lapsed_stays_lapsed_whatever_happens_later(world: World, posted: bool) -> None:
    member = a_member()
    await world.earned(member, 10)
    world.pass_time(days=800)
    if posted:
        await world.post_all_expiry()

    await world.earned(member, 5)

    assert (await world.balance(member)).normal == 5
    assert ("lapsed", 10) in await world.kinds(member)


async def test_an_order_that_is_cancelled_keeps_no_points_alive(world: World) -> None:
    member, order = a_member(), an_order()
    start = world.now
    await world.earned(member, 10)
    world.go_to(start + 700 * DAY)
    await world.placed(member, order, 2_000)
    kept = (await world.balance(member)).lapses[0].last_day

    await world.cancelled(order)

    assert kept == date(2030, 3, 1)
    assert (await world.balance(member)).lapses[0].last_day == date(2028, 4, 1)


async def test_points_that_only_a_cancelled_order_kept_alive_lapse_with_it_and_for_good(world: World) -> None:
    member, order = a_member(), an_order()
    start = world.now
    await world.earned(member, 10)
    world.go_to(start + 729 * DAY)
    await world.placed(member, order, 2_000)
    world.go_to(start + 740 * DAY)
    alive = (await world.balance(member)).normal

    await world.cancelled(order)
    lapsed = (await world.balance(member)).normal
    await world.earned(member, 5)

    assert (alive, lapsed) == (10, 0)
    assert (await world.balance(member)).normal == 5


async def test_a_redemption_keeps_normal_points_alive_from_the_day_of_its_hold(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    world.pass_time(days=600)
    await world.hold(member, order, a=4)
    held_on = world.today
    world.pass_time(days=20)
    before = (await world.balance(member)).lapses[0].last_day

    await world.capture(order)

    assert before == date(2028, 4, 1)
    assert (await world.balance(member)).lapses[0].last_day == held_on.replace(year=held_on.year + 2)


async def test_a_hold_that_comes_to_nothing_keeps_nothing_alive(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    world.pass_time(days=600)
    await world.hold(member, order, a=4)

    await world.release(order)

    assert (await world.balance(member)).lapses[0].last_day == date(2028, 4, 1)


async def test_a_hold_of_the_last_day_that_is_captured_the_day_after_has_kept_the_rest(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    world.go_to(deadline(date(2028, 4, 1)) - SECOND)
    await world.hold(member, order, a=4)
    world.pass_time(seconds=2)

    await world.capture(order)

    assert (await world.balance(member)).normal == 6


async def test_a_capture_revives_nothing_that_lapsed_before_its_hold(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    world.pass_time(days=800)
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=4)

    await world.capture(order)
    await world.earned(member, 7)

    balance = await world.balance(member)
    assert (balance.normal, balance.limited) == (7, 0)
    assert ("lapsed", 10) in await world.kinds(member)


async def test_an_order_that_is_heard_of_late_has_kept_points_alive_all_the_same(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 10)
    end = deadline(date(2028, 4, 1))
    world.go_to(end + 2 * SECOND)

    await world.placed(member, order, 2_000, at=end - SECOND)

    assert (await world.balance(member)).normal == 10


async def test_normal_points_that_come_back_have_the_members_present_end(world: World) -> None:
    member, order = a_member(), an_order()
    start = world.now
    await world.earned(member, 10)
    await world.hold(member, order, a=10)
    await world.capture(order)
    world.go_to(start + 500 * DAY)
    await world.placed(member, an_order(), 1_000)

    await world.give_back(order, "a", 10)

    assert (await world.balance(member)).lapses[0].last_day == date(2029, 8, 14)
    assert (start + 500 * DAY).date() == date(2027, 8, 14)


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_points_back_from_an_order_undone_by_our_fault_are_reissued_if_only_it_kept_them(
    world: World, cancelled_first: bool
) -> None:
    member, order = a_member(), an_order()
    start = world.now
    await world.earned(member, 10)
    world.go_to(start + 729 * DAY)
    await world.hold(member, order, a=6)
    await world.placed(member, order, 2_000)
    world.go_to(start + 740 * DAY)

    if cancelled_first:
        await world.cancelled(order)
        await world.release(order, our_fault=True)
    else:
        await world.release(order, our_fault=True)
        await world.cancelled(order)

    balance = await world.balance(member)
    assert (balance.normal, balance.limited) == (0, 6)
    assert balance.lapses == (Lapse(last_day=world.today + 30 * DAY, points=6),)


# Limited-time points.


@pytest.mark.rule("PT-11")
@pytest.mark.parametrize(("before_midnight", "can"), [(1, True), (0, False), (-1, False)])
async def test_until_the_31st_is_until_its_last_second(world: World, before_midnight: int, can: bool) -> None:
    member = a_member()
    await world.limited(member, 10, date(2026, 5, 31))

    world.go_to(datetime.fromisoformat("2026-06-01T00:00:00+09:00") - before_midnight * SECOND)

    assert await spendable(world, member) is can
    assert (await world.balance(member)).available == (10 if can else 0)


async def test_points_for_a_day_that_is_over_are_not_given(world: World) -> None:
    with pytest.raises(LastDayPassed):
        await world.limited(a_member(), 10, world.today - DAY)


# The posting.


@pytest.mark.rule("PT-12")
async def test_no_balance_counts_what_lapsed_whether_or_not_it_is_posted(world: World) -> None:
    member = a_member()
    await world.limited(member, 10, world.today)
    await world.limited(member, 7, world.today + DAY)
    world.pass_time(days=1)
    before = await world.balance(member)

    await world.post_all_expiry()

    after = await world.balance(member)
    assert (before.available, before.limited) == (7, 7)
    assert after == before
    assert (await world.kinds(member))[-1] == ("lapsed", 10)


async def test_the_posting_enters_each_lapse_once(world: World) -> None:
    member = a_member()
    await world.earned(member, 10)
    await world.limited(member, 7, world.today)
    world.pass_time(days=800)

    await world.post_all_expiry()
    await world.post_all_expiry()

    assert [entry for entry in await world.kinds(member) if entry[0] == "lapsed"] == [("lapsed", 7), ("lapsed", 10)]
    assert (await world.post_expiry(world.today - DAY)).lots == 0


async def test_the_posting_goes_on_until_no_member_is_left(world: World) -> None:
    await world.post_all_expiry()
    members = [a_member() for _ in range(5)]
    for member in members:
        await world.limited(member, 10, world.today)
        await world.limited(member, 5, world.today)
    world.pass_time(days=1)

    batches = [await world.post_expiry(world.today - DAY, limit=2)]
    while batches[-1].more:
        batches.append(await world.post_expiry(world.today - DAY, limit=2))

    assert all(batch.lots <= 4 for batch in batches)
    assert (sum(batch.lots for batch in batches), sum(batch.points for batch in batches)) == (10, 75)


async def test_nothing_of_today_is_posted_as_lapsed(world: World) -> None:
    member = a_member()
    await world.limited(member, 10, world.today)

    with pytest.raises(DayNotOver):
        await world.post_expiry(world.today)

    assert (await world.balance(member)).available == 10


async def test_a_lot_that_lapsed_and_was_given_points_back_lapses_again(world: World) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=4)
    await world.capture(order)
    world.pass_time(days=1)
    await world.post_all_expiry()

    await world.give_back(order, "a", 4)
    await world.post_all_expiry()

    assert [entry for entry in await world.kinds(member) if entry[0] == "lapsed"] == [("lapsed", 6), ("lapsed", 4)]
    assert (await world.balance(member)).available == 0
