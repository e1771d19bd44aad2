from __future__ import annotations

import pytest

from services.sparekey.cases.transitions import State
from tests.sparekey.house import House


async def test_the_straight_way_from_the_order_to_the_hands_of_the_recipient(house: House) -> None:
    order_id = await house.ordered()
    for step, state in (
        (house.check, State.CHECKING),
        (lambda it: house.checked(it, "exists"), State.ACCEPTED),
        (house.order_keys, State.MAKING),
        (lambda it: house.maker_says("ready", it, making=1), State.READY),
        (house.look, State.CLEARED),
        (house.release, State.RELEASED),
        (house.dispatched, State.DISPATCHED),
    ):
        await step(order_id)
        assert (await house.case(order_id)).state == state

    tracking_number = (await house.case(order_id)).tracking_number
    await house.scan(tracking_number, "handed_over")
    closed = await house.close(order_id, State.HANDED_OVER)

    assert closed.state == State.HANDED_OVER
    assert closed.ended
    assert await house.events(order_id) == [
        "key_ordered",
        "key_number_accepted",
        "key_dispatched",
        "key_handed_over",
    ]
    assert await house.story(order_id) == [
        "key-ordered",
        "key-number-accepted",
        "keys-ordered",
        "key-ready",
        "key-dispatch-released",
        "key-dispatched",
        "key-parcel-handed-over",
    ]


@pytest.mark.rule("SK-35")
async def test_a_parcel_that_comes_back_again_starts_a_new_month_and_a_new_charge(house: House) -> None:
    order_id = await house.on_its_way_again()
    first = (await house.event(order_id, "key_returned")).deadline
    house.pass_time(days=10)

    await house.returned(order_id, house.now.date())
    await house.ask_redelivery(order_id)

    case = await house.case(order_id)
    assert (case.state, case.redelivery) == (State.REDELIVERY_REQUESTED, 2)
    assert (await house.event(order_id, "key_returned")).deadline.seconds > first.seconds
    assert (await house.event(order_id, "redelivery_accepted")).charge == 935
