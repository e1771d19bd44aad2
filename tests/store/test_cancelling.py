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
from tests.store.shop import Shop, request_id
from tests.store.test_deferred import invoiced

MEANS = ["card", "deferred", "epos"]


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("means", MEANS)
async def test_before_dispatch_the_promise_is_given_up_and_coupon_and_credit_are_back(
    shop: Shop, member: str, means: str
) -> None:
    code = await shop.coupon()
    order = await shop.placed(member, means, coupon_code=code)

    cancelled = await shop.cancelled(order.order_id)

    assert (cancelled.state, cancelled.cancel_reason) == ("cancelled", "key-number-not-confirmed")
    assert cancelled.payment is not None
    assert cancelled.payment.state == "voided"
    partner = getattr(shop, means)
    assert not partner.account(order.order_id).live
    assert await shop.scalar("select used from coupons where code = :c", c=code) == 0
    assert await shop.scalar("select used from coupon_uses where code = :c", c=code) == 0
    assert (await shop.told(order.order_id))[-1] == "order_cancelled"


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("means", ["card", "epos"])
async def test_what_was_captured_is_paid_back(shop: Shop, member: str, means: str) -> None:
    order = await shop.placed(member, means)
    await shop.captured(order.order_id)

    cancelled = await shop.cancelled(order.order_id)

    account = getattr(shop, means).account(order.order_id)
    assert (cancelled.state, account.captured, account.refunded) == ("cancelled", 3_300, 3_300)
    assert cancelled.payment is not None
    assert cancelled.payment.state == "refunded"


@pytest.mark.rule("ST-34")
@pytest.mark.parametrize("fault", ["lost", "done-and-lost"])
@pytest.mark.parametrize("captured", [False, True])
async def test_it_is_being_cancelled_until_the_partner_has_confirmed(
    shop: Shop, member: str, fault: Fault, *, captured: bool
) -> None:
    code = await shop.coupon()
    order, asked = await shop.placed(member, coupon_code=code), request_id()
    if captured:
        await shop.captured(order.order_id)
    shop.card.faults.calls.append(fault)
    shop.card.faults.down = True

    with pytest.raises(PartnerSilent):
        await shop.cancelled(order.order_id, request_id=asked)

    assert (await shop.order(order.order_id)).state == "cancelling"
    assert await shop.scalar("select used from coupons where code = :c", c=code) == 1
    assert "order_cancelled" not in await shop.told(order.order_id)
    shop.card.faults.down = False
    shop.clock.advance(timedelta(minutes=1))
    assert (await shop.cancelled(order.order_id, request_id=asked)).state == "cancelled"
    account = shop.card.account(order.order_id)
    assert (account.live, account.captured == account.refunded) == (False, True)


async def test_the_sweep_finishes_what_nobody_goes_on_with(shop: Shop, member: str) -> None:
    order = await shop.placed(member)
    shop.card.faults.calls.append("lost")
    with pytest.raises(PartnerSilent):
        await shop.cancelled(order.order_id)

    shop.clock.advance(timedelta(minutes=1))
    await shop.swept()

    assert (await shop.order(order.order_id)).state == "cancelled"
    assert (await shop.told(order.order_id)).count("order_cancelled") == 1


class Mortal:
    """Runs transactions until its hour has come."""

    def __init__(self, shop: Shop, dies_at: int) -> None:
        self.left = dies_at
        self._transact = shop.database.transact

    async def __call__(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        if not self.left:
            raise SystemExit
        self.left -= 1
        return await self._transact(work)


@pytest.mark.rule("QA-05")
async def test_a_crash_at_any_line_is_taken_up_where_it_was(
    shop: Shop, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies before each transaction of a cancellation in turn; the same request ends it each time."""
    deaths = 0
    for dies_at in range(9):
        order, asked = await shop.placed(member), request_id()
        await shop.captured(order.order_id)

        with monkeypatch.context() as patch:
            patch.setattr(shop.database, "transact", Mortal(shop, dies_at))
            try:
                await shop.cancelled(order.order_id, request_id=asked)
            except SystemExit:
                deaths += 1
        shop.clock.advance(timedelta(minutes=1))

        assert (await shop.cancelled(order.order_id, request_id=asked)).state == "cancelled"
        account = shop.card.account(order.order_id)
        assert (account.captured, account.refunded) == (3_300, 3_300)
        assert (await shop.told(order.order_id)).count("order_cancelled") == 1
    assert 3 <= deaths < 9


async def test_cancelled_again_it_stays_cancelled_with_everything_back_once(shop: Shop, member: str) -> None:
    code = await shop.coupon()
    order = await shop.placed(member, coupon_code=code)

    for _ in range(3):
        assert (await shop.cancelled(order.order_id)).state == "cancelled"

    assert await shop.scalar("select used from coupons where code = :c", c=code) == 0
    assert (await shop.told(order.order_id)).count("order_cancelled") == 1


async def test_money_that_a_partner_will_not_return_is_a_matter_for_a_person(shop: Shop, member: str) -> None:
    invoice = await invoiced(shop, member)
    shop.deferred.account(invoice.order_id).paid = True

    with pytest.raises(MoneyNotReturned):
        await shop.cancelled(invoice.order_id)

    assert (await shop.order(invoice.order_id)).state == "cancelling"


@pytest.mark.rule("PR-13")
async def test_what_is_not_placed_or_has_come_too_far_is_not_cancelled(shop: Shop, member: str) -> None:
    view = await shop.ready(member)
    with pytest.raises(OrderNotPlaced):
        await shop.cancelled(view.order_id)
    with pytest.raises(NotFound):
        await shop.cancelled("ord_00000000000000000000000000")

    await shop.begun(view)
    await shop.authorised(view.order_id)
    await shop.confirmed(view.order_id)
    await shop.marked(view.order_id, "delivered")

    with pytest.raises(OrderOver):
        await shop.cancelled(view.order_id)


async def test_a_dispatched_order_that_was_lost_is_paid_back(shop: Shop, member: str) -> None:
    order = await shop.placed(member)
    await shop.captured(order.order_id)
    await shop.marked(order.order_id, "dispatched")

    assert (await shop.cancelled(order.order_id)).state == "cancelled"
    assert shop.card.account(order.order_id).refunded == 3_300


async def test_a_capture_under_way_is_paid_back_once_it_is_known(shop: Shop, member: str) -> None:
    order = await shop.placed(member)
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.down = True
    with pytest.raises(PartnerSilent):
        await shop.captured(order.order_id)
    with pytest.raises(PartnerSilent):
        await shop.cancelled(order.order_id)

    shop.card.faults.down = False
    shop.clock.advance(timedelta(minutes=1))

    assert (await shop.cancelled(order.order_id)).state == "cancelled"
    account = shop.card.account(order.order_id)
    assert (account.captured, account.refunded) == (3_300, 3_300)
