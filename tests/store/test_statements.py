"""The store's statements: how often the steps of placing ask the database, and what is refused (QA-22)."""

from __future__ import annotations

import pytest

from services.store.orders import repository as orders
from tests.store.shop import Shop
from tests.support.statements import statements


async def test_placing_asks_the_database_no_more_often_than_was_measured(shop: Shop, member: str) -> None:
    code = await shop.coupon()
    shop.neighbours.points = 1000
    view = await shop.ready(member, coupon_code=code, points_choice="some", points_some=100)
    confirmed = (await shop.snapshot(view)).snapshot_hash
    asked = []

    for step in (
        shop.begun(view, snapshot_hash=confirmed),
        shop.authorised(view.order_id),
        shop.confirmed(view.order_id),
        shop.order(view.order_id),
    ):
        with statements(shop.database) as run:
            await step
        asked.append(len(run))

    assert asked == [8, 12, 6, 2]


async def test_a_statement_that_was_made_once_refuses_a_name_that_is_no_columns(shop: Shop, member: str) -> None:
    order = await shop.placed(member)

    with pytest.raises(KeyError, match="promised_onn"):
        await shop.database.transact(
            lambda tx: orders.move(tx, order.order_id, ("placed",), {"promised_onn": order.promised_dispatch_on})  # type: ignore[typeddict-unknown-key]  # what is tested
        )

    assert (await shop.order(order.order_id)).version == order.version
