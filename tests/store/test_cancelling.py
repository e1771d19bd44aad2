"""Cancelled means: everything is back and confirmed; until then it is being cancelled (ST-34, SK-13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.errors import NotFound
from services.store.intents.domain import PartnerSilent
from services.store.orders.domain import MoneyNotReturned, OrderNotPlaced, OrderOver
from tests.store.partner import Fault
from tests.store.test_deferred import invoiced
from tests.store.world import World, request_id

MEANS = ["card", "deferred", "epos"]


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("means", MEANS)
async def test_before_dispatch_the_promise_is_given_up_and_coupon_and_credit_are_back(
    world: World, member: str, means: str
) -> None:
    code = await world.coupon()
    order = await world.placed(member, means, coupon_code=code)

    cancelled = await world.cancelled(order.order_id)

    assert (cancelled.state, cancelled.cancel_reason) == ("cancelled", "key-number-not-confirmed")
    assert cancelled.payment is not None
    assert cancelled.payment.state == "voided"
    partner = getattr(world, means)
    assert not partner.account(order.order_id).live
    assert await world.scalar("select used from coupons where code = :c", c=code) == 0
    assert await world.scalar("select used from coupon_uses where code = :c", c=code) == 0
    assert (await world.told(order.order_id))[-1] == "order_cancelled"


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("means", ["card", "epos"])
async def test_what_was_captured_is_paid_back(world: World, member: str, means: str) -> None:
    order = await world.placed(member, means)
    await world.captured(order.order_id)

    cancelled = await world.cancelled(order.order_id)

    account = getattr(world, means).account(order.order_id)
    assert (cancelled.state, account.captured, account.refunded) == ("cancelled", 3_300, 3_300)
    assert cancelled.payment is not None
    assert cancelled.payment.state == "refunded"


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("fault", ["lost", "done-and-lost"])
@pytest.mark.parametrize("captured", [False, True])
async def test_it_is_being_cancelled_until_the_partner_has_confirmed(
    world: World, member: str, fault: Fault, *, captured: bool
) -> None:
    code = await world.coupon()
    order, asked = await world.placed(member, coupon_code=code), request_id()
    if captured:
        await world.captured(order.order_id)
    world.card.faults.calls.append(fault)
    world.card.faults.down = True

    with pytest.raises(PartnerSilent):
        await world.cancelled(order.order_id, request_id=asked)

    assert (await world.order(order.order_id)).state == "cancelling"
    assert await world.scalar("select used from coupons where code = :c", c=code) == 1
    assert "order_cancelled" not in await world.told(order.order_id)
    world.card.faults.down = False
    world.clock.advance(timedelta(minutes=1))
    assert (await world.cancelled(order.order_id, request_id=asked)).state == "cancelled"
    account = world.card.account(order.order_id)
    assert (account.live, account.captured == account.refunded) == (False, True)


async def test_the_sweep_finishes_what_nobody_goes_on_with(world: World, member: str) -> None:
    order = await world.placed(member)
    world.card.faults.calls.append("lost")
    with pytest.raises(PartnerSilent):
        await world.cancelled(order.order_id)

    world.clock.advance(timedelta(minutes=1))
    await world.swept()

    assert (await world.order(order.order_id)).state == "cancelled"
    assert (await world.told(order.order_id)).count("order_cancelled") == 1


class Mortal:
    """Runs transactions until its hour has come."""

    def __init__(self, world: World, dies_at: int) -> None:
        self.left = dies_at
        self._transact = world.database.transact

    async def __call__(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        if not self.left:
            raise SystemExit
        self.left -= 1
        return await self._transact(work)


@pytest.mark.rule("QA-05")
async def test_a_crash_at_any_line_is_taken_up_where_it_was(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before each transaction of a cancellation in turn; the same request ends it each time."""
    deaths = 0
    for dies_at in range(9):
        order, asked = await world.placed(member), request_id()
        await world.captured(order.order_id)

        with monkeypatch.context() as patch:
            patch.setattr(world.database, "transact", Mortal(world, dies_at))
            try:
                await world.cancelled(order.order_id, request_id=asked)
            except SystemExit:
                deaths += 1
        world.clock.advance(timedelta(minutes=1))

        assert (await world.cancelled(order.order_id, request_id=asked)).state == "cancelled"
        account = world.card.account(order.order_id)
        assert (account.captured, account.refunded) == (3_300, 3_300)
        assert (await world.told(order.order_id)).count("order_cancelled") == 1
    assert 3 <= deaths < 9


async def test_cancelled_again_it_stays_cancelled_with_everything_back_once(world: World, member: str) -> None:
    code = await world.coupon()
    order = await world.placed(member, coupon_code=code)

    for _ in range(3):
        assert (await world.cancelled(order.order_id)).state == "cancelled"

    assert await world.scalar("select used from coupons where code = :c", c=code) == 0
    assert (await world.told(order.order_id)).count("order_cancelled") == 1


async def test_money_that_a_partner_will_not_return_is_a_matter_for_a_person(world: World, member: str) -> None:
    invoice = await invoiced(world, member)
    world.deferred.account(invoice.order_id).paid = True

    with pytest.raises(MoneyNotReturned):
        await world.cancelled(invoice.order_id)

    assert (await world.order(invoice.order_id)).state == "cancelling"


@pytest.mark.rule("PR-13")
async def test_what_is_not_placed_or_has_come_too_far_is_not_cancelled(world: World, member: str) -> None:
    view = await world.ready(member)
    with pytest.raises(OrderNotPlaced):
        await world.cancelled(view.order_id)
    with pytest.raises(NotFound):
        await world.cancelled("ord_00000000000000000000000000")

    await world.begun(view)
    await world.authorised(view.order_id)
    await world.confirmed(view.order_id)
    await world.marked(view.order_id, "delivered")

    with pytest.raises(OrderOver):
        await world.cancelled(view.order_id)


async def test_a_dispatched_order_that_was_lost_is_paid_back(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.captured(order.order_id)
    await world.marked(order.order_id, "dispatched")

    assert (await world.cancelled(order.order_id)).state == "cancelled"
    assert world.card.account(order.order_id).refunded == 3_300


async def test_a_capture_under_way_is_paid_back_once_it_is_known(world: World, member: str) -> None:
    order = await world.placed(member)
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.down = True
    with pytest.raises(PartnerSilent):
        await world.captured(order.order_id)
    with pytest.raises(PartnerSilent):
        await world.cancelled(order.order_id)

    world.card.faults.down = False
    world.clock.advance(timedelta(minutes=1))

    assert (await world.cancelled(order.order_id)).state == "cancelled"
    account = world.card.account(order.order_id)
    assert (account.captured, account.refunded) == (3_300, 3_300)
