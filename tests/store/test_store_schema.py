"""What the database itself refuses, whoever asks."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from tests.store.world import World


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize(
    "amounts",
    [
        "authorised = 0",
        "authorised = amount + 1, captured = amount + 1",
        "captured = authorised + 1",
        "refunded = captured + 1",
        "refunded = -1",
    ],
)
async def test_refunds_never_pass_captures_nor_captures_what_was_authorised(
    world: World, member: str, amounts: str
) -> None:
    order = await world.placed(member)
    await world.captured(order.order_id)

    with pytest.raises(IntegrityError, match="payments_invariant"):
        await world.scalar(f"update payments set {amounts} where order_id = :o returning 1", o=order.order_id)


@pytest.mark.rule("ST-11")
@pytest.mark.parametrize("wrong", ["due = due + 1", "due = -1, points = goods + 1", "coupon = -1, due = due + 1"])
async def test_an_order_whose_sum_is_not_right_cannot_be(world: World, member: str, wrong: str) -> None:
    order = await world.placed(member)

    with pytest.raises(IntegrityError, match="orders_"):
        await world.scalar(f"update orders set {wrong} where order_id = :o returning 1", o=order.order_id)


async def test_a_partner_is_asked_for_one_thing_at_a_time_and_for_each_once(world: World, member: str) -> None:
    order = await world.placed(member)
    (payment,) = await world.payments(order.order_id)
    add = (
        "insert into intents (intent_id, payment_id, step, amount, opened_at, looked_at, tries)"
        " values (:i, :p, :s, 1, now(), now(), 0)"
    )

    async def intent(step: str) -> None:
        await world.scalar(f"{add} returning 1", i=f"int_{step}_{order.order_id}", p=payment.payment_id, s=step)

    with pytest.raises(IntegrityError, match="intents_once"):
        await intent("authorise")
    await intent("capture")
    with pytest.raises(IntegrityError, match="intents_one_open"):
        await intent("void")
    await intent("detach")


async def test_a_member_has_one_open_checkout_of_keys(world: World, member: str) -> None:
    view = await world.opened(member)
    copy = (
        "insert into orders select (jsonb_populate_record(o, jsonb_build_object('order_id', 'ord_copy'))).*"
        " from orders o where order_id = :o returning 1"
    )

    with pytest.raises(IntegrityError, match="orders_open_key_checkout"):
        await world.scalar(copy, o=view.order_id)
