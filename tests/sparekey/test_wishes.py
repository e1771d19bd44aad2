"""A day wished for: a key leaves in time for it, and another is asked for when it has passed (SK-25)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from services.chassis.errors import InvalidField
from services.sparekey.cases.transitions import State
from services.sparekey.members.domain import ChooseWishDate
from services.sparekey.members.models import WishNotAsked
from tests.sparekey.world import World, jst, request

SECOND = timedelta(seconds=1)


async def wishing(world: World, wish: date) -> str:
    """A key that is ready, for an order with a wished day."""
    order_id, _ = await world.ready_to_place()
    world.store.baskets[order_id].wish_date = wish
    await world.place(order_id, await world.review(order_id))
    await world.check(order_id)
    await world.checked(order_id, "exists")
    await world.order_keys(order_id)
    await world.maker_says("ready", order_id, making=1)
    return order_id


@pytest.mark.rule("SK-25")
async def test_a_key_that_is_ready_waits_until_it_must_leave_for_the_day_wished_for(world: World) -> None:
    order_id = await wishing(world, date(2026, 4, 20))

    case = await world.look(order_id)
    assert (case.state, case.deadline) == (State.READY, jst(2026, 4, 18))
    assert (await world.look(order_id)).version == case.version
    world.go_to(jst(2026, 4, 18))
    await world.expire(order_id)

    assert (await world.look(order_id)).state == State.CLEARED


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize(
    ("now", "state"),
    [
        (jst(2026, 4, 18) - SECOND, "waits"),
        (jst(2026, 4, 18), "leaves"),
        (jst(2026, 4, 19) - SECOND, "leaves"),
        (jst(2026, 4, 19), "asks"),
    ],
)
async def test_a_wish_that_can_no_longer_be_met_is_asked_again(world: World, now: datetime, state: str) -> None:
    order_id = await wishing(world, date(2026, 4, 20))
    world.go_to(now)

    case = await world.look(order_id)

    assert case.state == (State.CLEARED if state == "leaves" else State.READY)
    assert case.wish_asked is (state == "asks")
    assert ("wish_date_passed" in await world.events(order_id)) is (state == "asks")


async def overtaken(world: World) -> str:
    order_id = await wishing(world, date(2026, 4, 2))
    await world.look(order_id)
    return order_id


@pytest.mark.rule("SK-25")
async def test_another_day_may_be_chosen_from_those_offered(world: World) -> None:
    order_id = await overtaken(world)
    offered = (await world.seen(order_id)).wish_dates_offered
    assert (offered[0], offered[-1], len(offered)) == (date(2026, 4, 4), date(2026, 4, 17), 14)
    for wrong in (date(2026, 4, 3), date(2026, 4, 18)):
        with pytest.raises(InvalidField):
            await world.choose_wish(order_id, wrong)

    await world.choose_wish(order_id, date(2026, 4, 10))

    case = await world.look(order_id)
    assert (case.state, case.deadline, case.wish_asked) == (State.READY, jst(2026, 4, 8), False)
    with pytest.raises(WishNotAsked):
        await world.choose_wish(order_id, date(2026, 4, 11))


async def test_a_day_that_no_calendar_has_is_called_so(world: World) -> None:
    order_id = await overtaken(world)
    asked = ChooseWishDate(request_id=request(), order_id=order_id, wish_date="2026-02-30")

    with pytest.raises(InvalidField) as refused:
        await world.domain.member_actions.choose_wish(world.member, asked)

    assert [(it.field, it.code) for it in refused.value.violations] == [("wish_date", "day-not-in-calendar")]


@pytest.mark.rule("SK-25")
async def test_no_day_may_be_chosen_too(world: World) -> None:
    order_id = await overtaken(world)

    await world.choose_wish(order_id, None)

    assert (await world.look(order_id)).state == State.CLEARED


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize(("past", "state"), [(-SECOND, State.READY), (timedelta(), State.CLEARED)])
async def test_without_an_answer_in_three_business_days_the_key_goes_without_a_wish(
    world: World, past: timedelta, state: State
) -> None:
    order_id = await overtaken(world)
    assert (await world.case(order_id)).deadline == jst(2026, 4, 7)
    world.go_to(jst(2026, 4, 7) + past)

    await world.expire(order_id)

    assert (await world.look(order_id)).state == state
