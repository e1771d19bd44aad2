"""What an order earns: pending, and granted when nothing can be claimed any longer (PT-02 to PT-07)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.chassis.jst import deadline
from services.points.grants.domain import GrantNotFound
from tests.points.world import World, a_member, an_order

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def jst(written: str) -> datetime:
    return datetime.fromisoformat(f"{written}+09:00")


async def grant(world: World, order: str) -> dict[str, Any]:
    return (await world.rows("select * from points.grants where order_id = :o", o=order))[0]


@pytest.mark.rule("PT-02")
@pytest.mark.parametrize(("amount", "points"), [(0, 0), (99, 0), (100, 1), (199, 1), (3_980, 39), (1_000_000, 10_000)])
async def test_a_hundred_yen_earn_a_point_rounded_down_once_an_order(world: World, amount: int, points: int) -> None:
    member, order = a_member(), an_order()

    await world.placed(member, order, amount)

    assert (await world.balance(member)).pending == points
    assert (await world.grants.review(order)).points == points


async def test_an_order_is_pending_once_and_its_process_started_once(world: World) -> None:
    member, order = a_member(), an_order()

    await world.placed(member, order, 1_000)
    await world.placed(member, order, 1_000)

    assert (await world.balance(member)).pending == 10
    assert await world.lines(order) == ["start"]


@pytest.mark.rule("PT-07")
async def test_a_grant_keeps_the_rate_and_the_rules_of_its_orders_day(world: World) -> None:
    member, order, later = a_member(), an_order(), an_order()
    await world.placed(member, order, 1_000)
    new_rules: dict[str, Any] = {"rules_version": "2027-01-01", "yen_per_point": 200, "claim_days": 20}
    await World(world.database, **new_rules).placed(member, later, 1_000)

    await world.amount_changed(order, 900)
    await world.amount_changed(later, 900)
    await world.delivered(order, jst("2026-04-03T10:00:00"))
    await world.delivered(later, jst("2026-04-03T10:00:00"))

    old, new = await grant(world, order), await grant(world, later)
    assert (old["points"], old["due_on"], old["rules_version"]) == (9, date(2026, 4, 14), "2025-04-01")
    assert (new["points"], new["due_on"], new["rules_version"]) == (4, date(2026, 4, 24), "2027-01-01")


# When it is due.


async def test_points_wait_until_somebody_knows_when_the_goods_arrive(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)

    assert (await world.grants.review(order)).due_at is None
    assert (await world.post_grant(order, as_of=world.now + 999 * DAY)).state == "pending"


@pytest.mark.rule("PT-05")
@pytest.mark.parametrize(("seconds", "state"), [(-1, "pending"), (0, "granted"), (1, "granted")])
async def test_points_are_granted_when_the_tenth_day_after_delivery_is_over(
    world: World, seconds: int, state: str
) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)
    await world.delivered(order, jst("2026-04-03T23:59:59"))
    due = jst("2026-04-14T00:00:00")

    posted = await world.post_grant(order, as_of=due + seconds * SECOND)

    assert posted.state == state
    balance = await world.balance(member)
    assert (balance.available, balance.pending) == ((10, 0) if state == "granted" else (0, 10))
    assert balance.next_grant_on == (None if state == "granted" else date(2026, 4, 14))


@pytest.mark.rule("PT-05")
@pytest.mark.parametrize(
    ("arrived", "due_on"),
    [
        ("2026-12-22T12:00:00", date(2027, 1, 2)),
        ("2028-02-19T12:00:00", date(2028, 3, 1)),
        ("2027-02-18T00:00:00", date(2027, 3, 1)),
        ("2027-01-31T23:59:59", date(2027, 2, 11)),
    ],
)
async def test_points_are_due_the_day_after_the_claim_window_also_over_month_ends(
    world: World, arrived: str, due_on: date
) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)

    await world.delivered(order, jst(arrived))

    assert (await world.grants.review(order)).due_at == deadline(due_on - DAY)


async def test_goods_never_reported_as_arrived_count_as_arrived_fourteen_days_after_dispatch(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)

    await world.dispatched(order, jst("2026-04-03T09:00:00"))

    assert (await world.grants.review(order)).due_at == deadline(date(2026, 4, 27))


async def test_a_report_of_arrival_counts_more_than_the_presumption(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.dispatched(order, jst("2026-04-03T09:00:00"))

    await world.delivered(order, jst("2026-04-05T09:00:00"))

    assert (await world.grants.review(order)).due_at == deadline(date(2026, 4, 15))


async def test_the_last_line_to_arrive_opens_the_last_window(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.dispatched(order, jst("2026-04-03T09:00:00"))
    await world.delivered(order, jst("2026-04-05T09:00:00"))

    await world.dispatched(order, jst("2026-04-08T09:00:00"))
    on_the_way = (await world.grants.review(order)).due_at
    await world.delivered(order, jst("2026-04-09T09:00:00"))
    await world.delivered(order, jst("2026-04-07T09:00:00"))

    assert on_the_way == deadline(date(2026, 5, 2))
    assert (await world.grants.review(order)).due_at == deadline(date(2026, 4, 19))


@pytest.mark.rule("PT-05")
async def test_goods_that_are_back_with_their_sender_are_not_presumed_to_have_arrived(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.dispatched(order, jst("2026-04-03T09:00:00"))

    await world.went_astray(order, jst("2026-04-14T09:00:00"))
    world.pass_time(days=60)

    assert (await world.grants.review(order)).due_at is None
    assert (await world.post_grant(order, as_of=world.now)).state == "pending"


async def test_goods_that_set_out_again_are_presumed_to_arrive_again(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.dispatched(order, jst("2026-04-03T09:00:00"))
    await world.went_astray(order, jst("2026-04-14T09:00:00"))

    await world.dispatched(order, jst("2026-04-20T09:00:00"))
    again = (await world.grants.review(order)).due_at
    await world.delivered(order, jst("2026-04-22T09:00:00"))

    assert again == deadline(date(2026, 5, 14))
    assert (await world.grants.review(order)).due_at == deadline(date(2026, 5, 2))


async def test_the_first_dispatch_told_after_the_return_does_not_undo_it(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.went_astray(order, jst("2026-04-14T09:00:00"))

    await world.dispatched(order, jst("2026-04-03T09:00:00"))

    assert (await world.grants.review(order)).due_at is None


async def test_a_return_told_after_the_closing_changes_nothing(world: World) -> None:
    order = an_order()
    await world.placed(a_member(), order, 1_000)
    await world.closed_unclaimed(order)

    await world.went_astray(order)

    assert (await world.grants.review(order)).due_at == world.now


async def test_a_key_destroyed_unclaimed_is_granted_at_closing(world: World) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)
    await world.dispatched(order)
    world.pass_time(days=20)

    await world.closed_unclaimed(order)

    assert (await world.post_grant(order, as_of=world.now - SECOND)).state == "pending"
    assert (await world.post_grant(order, as_of=world.now)).state == "granted"
    assert (await world.balance(member)).available == 10


async def test_a_granted_order_is_granted_no_second_time(world: World) -> None:
    member = a_member()
    order = await world.earned(member, 10)

    again = await world.post_grant(order)
    await world.closed_unclaimed(order)
    once_more = await world.post_grant(order)

    assert (again.state, once_more.state) == ("granted", "granted")
    assert (await world.balance(member)).available == 10


async def test_a_grant_is_told_once(world: World) -> None:
    order = await world.earned(a_member(), 10)

    await world.post_grant(order)

    told = await world.rows("select subject from points.outbox where aggregate_id = :o", o=order)
    assert [row["subject"] for row in told] == ["ruum.points.points_granted.v1"]


async def test_an_order_nobody_placed_has_no_grant(world: World) -> None:
    with pytest.raises(GrantNotFound):
        await world.grants.review(an_order())
    with pytest.raises(GrantNotFound):
        await world.post_grant(an_order())


async def test_what_the_store_tells_of_an_order_without_a_grant_changes_nothing(world: World) -> None:
    order = an_order()

    await world.dispatched(order)
    await world.delivered(order)
    await world.closed_unclaimed(order)
    await world.amount_changed(order, 100)
    await world.cancelled(order)

    assert await world.rows("select 1 from points.grants where order_id = :o", o=order) == []
    assert await world.lines(order) == []
