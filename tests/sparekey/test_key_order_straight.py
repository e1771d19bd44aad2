from __future__ import annotations

import pytest

from services.sparekey.cases.transitions import State
from tests.sparekey.world import World


async def test_the_straight_way_from_the_order_to_the_hands_of_the_recipient(world: World) -> None:
    order_id = await world.ordered()
    for step, state in (
        (world.check, State.CHECKING),
        (lambda it: world.checked(it, "exists"), State.ACCEPTED),
        (world.order_keys, State.MAKING),
        (lambda it: world.maker_says("ready", it, making=1), State.READY),
        (world.look, State.CLEARED),
        (world.release, State.RELEASED),
        (world.dispatched, State.DISPATCHED),
    ):
        await step(order_id)
        assert (await world.case(order_id)).state == state

    tracking_number = (await world.case(order_id)).tracking_number
    await world.scan(tracking_number, "handed_over")
    closed = await world.close(order_id, State.HANDED_OVER)

    assert closed.state == State.HANDED_OVER
    assert closed.ended
    assert await world.events(order_id) == [
        "key_ordered",
        "key_number_accepted",
        "key_dispatched",
        "key_handed_over",
    ]
    assert await world.story(order_id) == [
        "key-ordered",
        "key-number-accepted",
        "keys-ordered",
        "key-ready",
        "key-dispatch-released",
        "key-dispatched",
        "key-parcel-handed-over",
    ]


@pytest.mark.rule("SK-35")
async def test_a_parcel_that_comes_back_again_starts_a_new_month_and_a_new_charge(world: World) -> None:
    order_id = await world.on_its_way_again()
    first = (await world.event(order_id, "key_returned")).deadline
    world.pass_time(days=10)

    await world.returned(order_id, world.now.date())
    await world.ask_redelivery(order_id)

    case = await world.case(order_id)
    assert (case.state, case.redelivery) == (State.REDELIVERY_REQUESTED, 2)
    assert (await world.event(order_id, "key_returned")).deadline.seconds > first.seconds
    assert (await world.event(order_id, "redelivery_accepted")).charge == 935
