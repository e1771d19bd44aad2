"""What becomes of an order's points when it is cancelled or its price changes (PT-05, PT-31)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.points.world import World, a_member, an_order

DAY = timedelta(days=1)


async def test_a_cancellation_within_the_period_prevents_the_grant(world: World) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)
    await world.delivered(order)

    await world.cancelled(order)

    assert (await world.post_grant(order, as_of=world.now + 30 * DAY)).state == "cancelled"
    balance = await world.balance(member)
    assert (balance.pending, balance.available) == (0, 0)
    assert await world.kinds(member) == [("pending", 10), ("pending-ended", 10)]


async def test_an_order_cancelled_twice_is_cancelled_once(world: World) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)

    await world.cancelled(order)
    await world.cancelled(order)

    assert await world.kinds(member) == [("pending", 10), ("pending-ended", 10)]


@pytest.mark.parametrize(("amount", "entry"), [(450, ("pending-ended", 6)), (1_230, ("pending", 2))])
async def test_a_change_of_price_counts_anew(world: World, amount: int, entry: tuple[str, int]) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)

    await world.amount_changed(order, amount)

    assert (await world.balance(member)).pending == amount // 100
    assert (await world.kinds(member))[-1] == entry


async def test_a_price_changed_back_and_forth_is_granted_as_it_was_last(world: World) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)
    for amount in (900, 1_000, 0, 640):
        await world.amount_changed(order, amount)
    await world.delivered(order)
    world.pass_time(days=11)

    assert (await world.post_grant(order)).points == 6


async def test_the_process_hears_of_everything_that_changes_a_pending_grant(world: World) -> None:
    order, ended = an_order(), an_order()
    member = a_member()
    await world.placed(member, order, 1_000)
    await world.placed(member, ended, 1_000)

    await world.dispatched(order)
    await world.delivered(order)
    await world.amount_changed(order, 900)
    await world.closed_unclaimed(order)
    await world.cancelled(order)
    await world.delivered(order)

    assert await world.lines(order) == ["start", *["review"] * 5]
    assert await world.lines(ended) == ["start"]


async def test_a_refund_after_the_grant_takes_its_share_back(world: World) -> None:
    member = a_member()
    order = await world.earned(member, 10)

    await world.amount_changed(order, 700)
    await world.amount_changed(order, 650)

    balance = await world.balance(member)
    assert (balance.available, balance.debt) == (6, 0)
    assert (await world.kinds(member))[-2:] == [("reversed", 3), ("reversed", 1)]


async def test_a_dearer_price_after_the_grant_earns_nothing_more(world: World) -> None:
    member = a_member()
    order = await world.earned(member, 10)

    await world.amount_changed(order, 2_000)

    assert (await world.balance(member)).available == 10


async def test_what_was_spent_of_a_grant_taken_back_is_owed_and_repaid_by_the_next(world: World) -> None:
    member, use = a_member(), an_order()
    order = await world.earned(member, 10)
    await world.hold(member, use, a=8)
    await world.capture(use)

    await world.cancelled(order)
    owed = await world.balance(member)
    await world.earned(member, 5)
    part = await world.balance(member)
    await world.earned(member, 7)

    assert (owed.available, owed.debt) == (0, 8)
    assert (part.available, part.debt) == (0, 3)
    assert (await world.balance(member)).available == 4


async def test_limited_points_repay_no_debt(world: World) -> None:
    member, use = a_member(), an_order()
    order = await world.earned(member, 10)
    await world.hold(member, use, a=10)
    await world.capture(use)
    await world.cancelled(order)

    await world.limited(member, 50, world.today)

    balance = await world.balance(member)
    assert (balance.available, balance.debt) == (50, 10)


async def test_a_share_taken_back_in_steps_owes_what_was_spent_and_no_more(world: World) -> None:
    member, use = a_member(), an_order()
    order = await world.earned(member, 100)
    await world.hold(member, use, a=60)
    await world.capture(use)

    await world.amount_changed(order, 7_000)
    await world.amount_changed(order, 5_000)
    await world.amount_changed(order, 0)

    balance = await world.balance(member)
    assert (balance.available, balance.debt) == (0, 60)


async def test_what_lapsed_of_a_grant_taken_back_is_not_owed(world: World) -> None:
    member, use = a_member(), an_order()
    order = await world.earned(member, 100)
    await world.hold(member, use, a=60)
    await world.capture(use)
    world.pass_time(days=800)
    await world.post_all_expiry()

    await world.amount_changed(order, 5_000)
    await world.amount_changed(order, 0)

    assert (await world.balance(member)).debt == 60
