"""The store's statements: how often the steps of placing ask the database, and what is refused (QA-22)."""

from __future__ import annotations

import pytest

from services.store.orders import repository as orders
from tests.store.world import World
from tests.support.statements import statements


async def test_placing_asks_the_database_no_more_often_than_was_measured(world: World, member: str) -> None:
    code = await world.coupon()
    world.neighbours.points = 1000
    view = await world.ready(member, coupon_code=code, points_choice="some", points_some=100)
    confirmed = (await world.snapshot(view)).snapshot_hash
    asked = []

    for step in (
        world.begun(view, snapshot_hash=confirmed),
        world.authorised(view.order_id),
        world.confirmed(view.order_id),
        world.order(view.order_id),
    ):
        with statements(world.database) as run:
            await step
        asked.append(len(run))

    assert asked == [8, 12, 6, 2]


async def test_a_statement_that_was_made_once_refuses_a_name_that_is_no_columns(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(KeyError, match="promised_onn"):
        await world.database.transact(
            lambda tx: orders.move(tx, order.order_id, ("placed",), {"promised_onn": order.promised_dispatch_on})  # type: ignore[typeddict-unknown-key]  # what is tested
        )

    assert (await world.order(order.order_id)).version == order.version
