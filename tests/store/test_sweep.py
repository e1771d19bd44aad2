"""The sweep takes up whoever waited longest: nobody starves behind a partner that is silent (ST-21)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.store.world import World, new_member

MINUTE = timedelta(minutes=1)


async def unwanted(world: World, member: str, many: int) -> None:
    """So many authorisations that nobody wants, of which a silent card processor says nothing."""
    view = await world.ready(member)
    await world.begun(view)
    world.card.faults.calls.append("lost")
    world.card.faults.down = True
    await world.authorised(view.order_id)
    await world.abandoned(view.order_id)
    (first,) = await world.payments(view.order_id)
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
        await world.scalar(f"with more as ({copy} returning 1) select count(*) from more", p=first.payment_id, n=many)


@pytest.mark.rule("ST-21")
async def test_two_hundred_and_fifty_calls_of_a_silent_partner_do_not_keep_the_sweep_from_a_healthy_ones(
    world: World, member: str
) -> None:
    await unwanted(world, member, 250)
    world.clock.advance(MINUTE)
    healthy = await world.ready(new_member(), "deferred")
    await world.begun(healthy)
    world.deferred.faults.calls.append("lost")
    world.deferred.faults.down = True
    await world.authorised(healthy.order_id)
    world.deferred.faults.down = False

    for _ in range(2):
        world.clock.advance(MINUTE)
        await world.swept()

    (payment,) = await world.payments(healthy.order_id)
    assert payment.state == "authorised"


@pytest.mark.rule("ST-21")
async def test_looking_at_a_call_again_and_again_does_not_put_off_its_end(world: World, member: str) -> None:
    await unwanted(world, member, 1)
    for _ in range(10):
        world.clock.advance(MINUTE)
        assert await world.swept() == (0, 1)

    world.card.faults.down = False
    world.clock.advance(MINUTE)

    assert await world.swept() == (1, 0)


@pytest.mark.rule("ST-21")
async def test_of_many_who_take_the_same_call_up_at_once_one_makes_it(world: World, member: str) -> None:
    view = await world.ready(member, "deferred")
    await world.begun(view)
    world.deferred.faults.calls.append("lost")
    await world.authorised(view.order_id)
    (payment,) = await world.payments(view.order_id)
    world.clock.advance(MINUTE)
    world.deferred.faults.calls.extend(["lost"] * 12)

    replies = await asyncio.gather(*(world.store.intents.hear(payment.payment_id) for _ in range(12)))

    assert [reply.silent for reply in replies] == [True] * 12
    assert len(world.deferred.asked) == 2
