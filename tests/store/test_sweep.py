"""The sweep takes up whoever waited longest: nobody starves behind a partner that is silent (ST-21)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.store.shop import Shop, new_member

MINUTE = timedelta(minutes=1)


async def unwanted(shop: Shop, member: str, many: int) -> None:
    """So many authorisations that nobody wants, of which a silent card processor says nothing."""
    view = await shop.ready(member)
    await shop.begun(view)
    shop.card.faults.calls.append("lost")
    shop.card.faults.down = True
    await shop.authorised(view.order_id)
    await shop.abandoned(view.order_id)
    (first,) = await shop.payments(view.order_id)
    copies = (
        "insert into payments select (jsonb_populate_record(p, jsonb_build_object('payment_id', 'pay_' || n || :p,"
        " 'merchant_ref', p.order_id || '-' || n, 'ordinal', n, 'attempt', 0))).*"
        " from payments p, generate_series(2, :n) n where payment_id = :p"
    )
    calls = (
        "insert into intents select (jsonb_populate_record(i, jsonb_build_object('payment_id', 'pay_' || n || :p,"
        " 'intent_id', 'int_' || n || :p))).* from intents i, generate_series(2, :n) n where payment_id = :p"
    )
    for copy in (copies, calls):
        await shop.scalar(f"with more as ({copy} returning 1) select count(*) from more", p=first.payment_id, n=many)


@pytest.mark.rule("ST-21")
async def test_two_hundred_and_fifty_calls_of_a_silent_partner_do_not_keep_the_sweep_from_a_healthy_ones(
    shop: Shop, member: str
) -> None:
    await unwanted(shop, member, 250)
    shop.clock.advance(MINUTE)
    healthy = await shop.ready(new_member(), "deferred")
    await shop.begun(healthy)
    shop.deferred.faults.calls.append("lost")
    shop.deferred.faults.down = True
    await shop.authorised(healthy.order_id)
    shop.deferred.faults.down = False

    for _ in range(2):
        shop.clock.advance(MINUTE)
        await shop.swept()

    (payment,) = await shop.payments(healthy.order_id)
    assert payment.state == "authorised"


@pytest.mark.rule("ST-21")
async def test_looking_at_a_call_again_and_again_does_not_put_off_its_end(shop: Shop, member: str) -> None:
    await unwanted(shop, member, 1)
    for _ in range(10):
        shop.clock.advance(MINUTE)
        assert await shop.swept() == (0, 1)

    shop.card.faults.down = False
    shop.clock.advance(MINUTE)

    assert await shop.swept() == (1, 0)


@pytest.mark.rule("ST-21")
async def test_of_many_who_take_the_same_call_up_at_once_one_makes_it(shop: Shop, member: str) -> None:
    view = await shop.ready(member, "deferred")
    await shop.begun(view)
    shop.deferred.faults.calls.append("lost")
    await shop.authorised(view.order_id)
    (payment,) = await shop.payments(view.order_id)
    shop.clock.advance(MINUTE)
    shop.deferred.faults.calls.extend(["lost"] * 12)

    replies = await asyncio.gather(*(shop.store.intents.hear(payment.payment_id) for _ in range(12)))

    assert [reply.silent for reply in replies] == [True] * 12
    assert len(shop.deferred.asked) == 2
