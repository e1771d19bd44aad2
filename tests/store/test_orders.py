"""Orders on their way, and their history."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import InvalidField, NotFound
from services.chassis.pages import Page
from services.store.orders.domain import OrderNotPlaced, OrderOver, PromiseDispatch
from services.store.orders.models import ON_ITS_WAY, OrderState
from tests.store.world import DESK, NOW, WORKER, World, as_member, new_member, request_id


async def promised(world: World, order_id: str, days: int, **more: str) -> None:
    asked = PromiseDispatch(**{"request_id": request_id(), **more}, order_id=order_id, business_days=days)
    await world.store.orders.promise_dispatch(WORKER, asked)


async def test_an_order_passes_its_states_in_their_order_and_tells_of_each(world: World, member: str) -> None:
    order = await world.placed(member)

    for state in ON_ITS_WAY[1:]:
        world.clock.advance(timedelta(hours=1))
        assert (await world.marked(order.order_id, state)).state == state

    assert await world.told(order.order_id) == ["order_placed", "order_dispatched", "order_delivered", "order_closed"]
    row = await world.row(order.order_id)
    hours = [at - NOW for at in (row.dispatched_at, row.delivered_at, row.closed_at) if at]
    assert hours == [timedelta(hours=number) for number in (2, 3, 4)]


@pytest.mark.parametrize("late", ["arranged", "dispatched", "delivered"])
async def test_what_repeats_or_comes_late_changes_nothing(world: World, member: str, late: OrderState) -> None:
    order = await world.placed(member)
    await world.marked(order.order_id, "delivered")
    before = await world.order(order.order_id)

    assert await world.marked(order.order_id, late) == before
    assert await world.told(order.order_id) == ["order_placed", "order_delivered"]


async def test_a_move_is_dated_when_it_happened_out_there(world: World, member: str) -> None:
    order, at = await world.placed(member), world.clock.now() - timedelta(hours=5)

    await world.marked(order.order_id, "dispatched", happened_at=at)

    assert (await world.order(order.order_id)).dispatched_at == at


async def test_a_key_that_nobody_took_is_closed_as_unclaimed(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.marked(order.order_id, "dispatched")

    await world.marked(order.order_id, "closed", unclaimed=True)

    row = await world.row(order.order_id)
    assert (row.state, row.unclaimed) == ("closed", True)


@pytest.mark.rule("PR-13")
async def test_an_order_that_is_not_placed_or_is_cancelled_is_not_moved(world: World, member: str) -> None:
    view = await world.ready(member)
    with pytest.raises(OrderNotPlaced):
        await world.marked(view.order_id, "dispatched")
    with pytest.raises(OrderNotPlaced):
        await promised(world, view.order_id, 7)
    order = await world.placed(member)
    await world.cancelled(order.order_id)

    with pytest.raises(OrderOver):
        await world.marked(order.order_id, "arranged")
    with pytest.raises(OrderOver):
        await promised(world, order.order_id, 7)
    with pytest.raises(NotFound):
        await world.marked("ord_00000000000000000000000000", "arranged")


@pytest.mark.rule("SK-28")
async def test_a_promise_that_moves_is_told_and_one_that_stays_is_not(world: World, member: str) -> None:
    order, asked = await world.placed(member), request_id()
    await promised(world, order.order_id, 7)
    assert await world.told(order.order_id) == ["order_placed"]

    world.clock.advance(timedelta(days=3))
    await promised(world, order.order_id, 7, request_id=asked)
    await promised(world, order.order_id, 7, request_id=asked)

    moved = await world.order(order.order_id)
    assert moved.promised_dispatch_on is not None
    assert order.promised_dispatch_on is not None
    assert moved.promised_dispatch_on > order.promised_dispatch_on
    assert await world.told(order.order_id) == ["order_placed", "dispatch_promised"]


async def test_after_dispatch_nothing_is_promised(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.marked(order.order_id, "dispatched")

    with pytest.raises(OrderOver):
        await promised(world, order.order_id, 9)


@pytest.mark.rule("ST-35")
async def test_the_history_shows_what_was_placed_newest_first_page_by_page(world: World, member: str) -> None:
    placed = []
    for _ in range(3):
        placed.append((await world.placed(member)).order_id)
        world.clock.advance(timedelta(minutes=1))
    await world.opened(member)
    await world.placed(new_member())

    first = await world.store.orders.listed(as_member(member), Page(size=2))
    second = await world.store.orders.listed(as_member(member), Page(size=2, cursor=first.next_cursor))

    shown = [order.order_id for order in (*first.items, *second.items)]
    assert (shown, second.next_cursor) == (placed[::-1], "")
    assert first.items[0].lines[0].amount == 3_300
    assert first.items[0].payment is not None
    with pytest.raises(InvalidField):
        await world.store.orders.listed(as_member(member), Page(cursor="bm90aGluZw=="))


@pytest.mark.rule("PR-15")
async def test_another_members_order_is_not_found_and_the_desk_sees_it(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(NotFound):
        await world.store.orders.get(as_member(new_member()), order.order_id)

    assert (await world.store.orders.get(DESK, order.order_id)).order_id == order.order_id
