"""Deadlines of a spare-key order, action against timer, decided by the real service (OP-05, PR-06).

-1 s: the action comes first, and its word reaches the process together with the timer. 0: both at the same instant,
which is too late. +1 s: the timer has been answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from services.chassis.errors import RuumError
from services.sparekey.cases.models import Case
from services.sparekey.members.models import NumberNotAsked, RedeliveryNotPossible, WishNotAsked
from tests.workflows.door import leads
from tests.workflows.sparekey_order.joined import A_SECOND, Joined, Order
from workflows.money import contract as money

SLACK = timedelta(seconds=30)
AN_INSTANT = timedelta(microseconds=1)


async def asked_for_number(here: Joined) -> Order:
    order = await here.ordered()
    await order.asked_for_number()
    return order


async def kept(here: Joined) -> Order:
    """Back at the maker, all reminders told."""
    order = await here.ordered()
    await order.back()
    end = (await order.row()).deadline
    assert end is not None
    await order.lives_to(end - timedelta(hours=1), "returned", remind_at=None)
    return order


async def asked_for_wish(here: Joined) -> Order:
    order = await here.ordered(wish_in=1)
    await order.cut()
    await order.stands("ready", wish_asked=True)
    return order


async def another_day(order: Order) -> None:
    await order.world.choose_wish(order.id, order.world.waiting.wishes(order.world.now)[-1])


@dataclass(frozen=True)
class Deadline:
    """A rule's end of waiting.

    Attributes:
        reached: brings an order to where it waits.
        act: what may be done until then.
        acted: where the process has the order after an action in time.
        over: where it has the order after the time is up.
        refusal: what whoever comes too late is told.
    """

    reached: Callable[[Joined], Awaitable[Order]]
    act: Callable[[Order], Awaitable[None]]
    acted: str
    over: str
    refusal: type[RuumError]


WEEK = Deadline(
    asked_for_number, lambda it: it.world.reply(it.id), acted="checking", over="cancelled", refusal=NumberNotAsked
)
MONTH = Deadline(
    kept,
    lambda it: it.world.ask_redelivery(it.id),
    acted="redelivering",
    over="destroyed",
    refusal=RedeliveryNotPossible,
)
WISH = Deadline(asked_for_wish, another_day, acted="ready", over="released", refusal=WishNotAsked)
DEADLINES = [
    pytest.param(WEEK, id="week", marks=pytest.mark.rule("SK-14")),
    pytest.param(MONTH, id="month", marks=pytest.mark.rule("SK-35")),
    pytest.param(WISH, id="wish", marks=pytest.mark.rule("SK-25")),
]


async def acts(order: Order, deadline: Deadline, late_by: float = 0) -> bool:
    """Whether the action was accepted; else it was refused by name."""
    await asyncio.sleep(late_by)
    try:
        await deadline.act(order)
    except deadline.refusal:
        return False
    return True


async def at(order: Order, due: datetime, seconds: int, deadline: Deadline) -> bool:
    """The action so many seconds from the deadline. Whether it was accepted."""
    instant = due + seconds * A_SECOND
    await order.forward_to(instant)
    order.world.go_to(instant)
    if seconds < 0:
        accepted = await acts(order, deadline)
        order.moment.open.set()
        await asyncio.gather(order.bring(), order.forward_to(due + A_SECOND))
        return accepted
    await order.moment.timer_asks()
    order.moment.open.set()
    if seconds > 0:
        await order.moment.answered()
    accepted = await acts(order, deadline)
    await order.bring()
    return accepted


async def followed(order: Order, deadline: Deadline, *, accepted: bool) -> Case:
    """Where the process has the order: on the way of whoever won, and no step of the other's was asked."""
    row = await order.stands(deadline.acted if accepted else deadline.over)
    given_back = money.CANCEL.name in order.money()
    assert given_back is (row.state == "cancelled")
    assert row.redelivery == (deadline is MONTH and accepted)
    assert row.check_round == 1 + (deadline is WEEK and accepted)
    assert row.wish_asked is False
    return row


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize("deadline", DEADLINES)
async def test_what_may_be_done_until_a_deadline_is_taken_a_second_before_it_and_refused_by_name_from_then_on(
    here: Joined, deadline: Deadline, seconds: int
) -> None:
    order = await deadline.reached(here)
    due = (await order.row()).deadline
    assert due is not None

    accepted = await at(order, due, seconds, deadline)

    assert accepted is (seconds < 0)
    await followed(order, deadline, accepted=accepted)
    assert all(due <= asked < due + SLACK for asked in order.moment.instants)


async def races(order: Order, due: datetime, lead: float, deadline: Deadline) -> bool:
    """Action and timer reach the service together, but for a lead. Whether the action won."""
    await order.forward_to(due)
    await order.moment.timer_asks()
    order.moment.late_by = max(lead, 0)
    order.moment.open.set()
    accepted = await acts(order, deadline, late_by=max(-lead, 0))
    await order.bring()
    await followed(order, deadline, accepted=accepted)
    return accepted


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize(("deadline", "runs"), [(WEEK, 20), (MONTH, 10), (WISH, 10)], ids=["week", "month", "wish"])
async def test_of_an_action_at_the_last_instant_and_the_timer_either_may_win_and_exactly_one_does(
    here: Joined, deadline: Deadline, runs: int
) -> None:
    orders = await asyncio.gather(*(deadline.reached(here) for _ in range(runs)))
    (due,) = {(await order.row()).deadline for order in orders}
    assert due is not None
    here.world.go_to(due - AN_INSTANT)

    won = await asyncio.gather(
        *(races(order, due, lead, deadline) for order, lead in zip(orders, leads(runs), strict=True))
    )

    assert set(won) == {True, False}


@pytest.mark.rule("SK-13")
async def test_everything_comes_back_once_after_the_week(here: Joined) -> None:
    order = await asked_for_number(here)
    due = (await order.row()).deadline
    assert due is not None

    await at(order, due, 1, WEEK)
    ended = await order.result()

    assert ended == "cancelled"
    assert order.money().count(money.CANCEL.name) == 1
    assert len(order.world.maker.did("stop", order.id)) == 1


@pytest.mark.rule("SK-32")
@pytest.mark.parametrize("seconds", [-1, 1])
async def test_a_parcel_is_handed_over_whether_or_not_the_post_still_has_to_hold_it(here: Joined, seconds: int) -> None:
    order = await here.ordered()
    await order.missed()
    end = (await order.row()).deadline
    assert end is not None
    await order.lives_to(end - timedelta(hours=1), "absent", remind_at=None)

    await order.forward_to(end + seconds * A_SECOND)
    order.moment.open.set()
    if seconds > 0:
        await order.moment.answered()
    await order.hears(order.scanned("handed_over"))

    assert await order.result() == "handed-over"
    assert ("key-hold-ended" in await order.world.story(order.id)) is (seconds > 0)


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize("seconds", [-1, 1])
async def test_a_key_that_waits_for_its_day_is_frozen_before_it_leaves_or_called_back_after(
    here: Joined, seconds: int
) -> None:
    order = await here.ordered(wish_in=20)
    await order.cut()
    wish = (await order.row()).wish_date
    assert wish is not None
    leaves_at = order.world.waiting.leaves_at(wish)
    await order.stands("ready", deadline=leaves_at)

    order.moment.open.set()
    await order.forward_to(leaves_at + seconds * A_SECOND)
    if seconds > 0:
        await order.stands("released")
    await order.hears(order.world.mail_redirect(order.id))
    await order.forward_to(leaves_at + A_SECOND)

    row = await order.stands("stopped")
    asked = [verb for verb, key in order.world.maker.asked if key.startswith(order.id)]
    assert row.stopped_from == ("ready" if seconds < 0 else "released")
    assert asked == ["check", "order"] + ([] if seconds < 0 else ["release", "stop"])
