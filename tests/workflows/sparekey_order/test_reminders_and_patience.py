"""Reminders, and patience with partners: due on both sides of their instant, against the word that needs them not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from services.sparekey.settings import Rules
from tests.support.waiting import until
from tests.workflows.sparekey_order.joined import A_SECOND, Joined, Order
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps

SLACK = timedelta(seconds=30)
DECLINED = money.Payment(state="declined", decline_code="card-declined")


@dataclass(frozen=True)
class Wait:
    """Something that falls due while an order stands somewhere.

    Attributes:
        reached: brings an order there.
        word: what makes it needless.
        then: where the process has the order after that.
    """

    reached: Callable[[Order], Awaitable[None]]
    word: Callable[[Order], Awaitable[None]]
    then: str


async def comes(order: Order, due: datetime, seconds: int, wait: Wait) -> None:
    """The word so many seconds from when the other thing is due; at 0 both at the same instant."""
    await order.forward_to(due + seconds * A_SECOND)
    order.world.go_to(due + seconds * A_SECOND)
    if seconds >= 0:
        await order.moment.timer_asks()
        order.moment.open.set()
    if seconds > 0:
        await order.moment.answered()
    await wait.word(order)
    order.moment.open.set()
    await asyncio.gather(order.bring(), order.forward_to(due + A_SECOND))
    await order.stands(wait.then)


# Reminders.


REMINDED = "reminder_due"


async def handed_over(order: Order) -> None:
    await order.scanned("handed_over")


async def redelivery(order: Order) -> None:
    await order.world.ask_redelivery(order.id)


HELD = Wait(Order.missed, handed_over, "handed-over")
STORED = Wait(Order.back, redelivery, "redelivering")


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize(
    ("wait", "line", "done"),
    [
        pytest.param(HELD, "key-reminded-held-at-post", "key_handed_over", id="hold", marks=pytest.mark.rule("SK-32")),
        pytest.param(
            STORED, "key-reminded-storage-ends", "redelivery_accepted", id="storage", marks=pytest.mark.rule("SK-34")
        ),
    ],
)
async def test_nobody_is_reminded_of_what_has_been_done(
    here: Joined, wait: Wait, line: str, done: str, seconds: int
) -> None:
    order = await here.ordered()
    await wait.reached(order)
    due = (await order.row()).remind_at
    assert due is not None

    await comes(order, due, seconds, wait)

    # In the order in which the case changed: a scan's line is written before it is known whose turn it is.
    told = [name for name in await order.world.events(order.id) if name in {REMINDED, done}]
    in_time, late = [done], [REMINDED, done]
    assert told in ([in_time] if seconds < 0 else [late] if seconds > 0 else [in_time, late])
    assert (await written(order)).count(line) == told.count(REMINDED)
    assert all(due <= asked < due + SLACK for asked in order.moment.instants)


@pytest.mark.parametrize(
    ("wait", "days", "state"),
    [
        pytest.param(HELD, Rules().hold_reminders, "absent", id="hold", marks=pytest.mark.rule("SK-32")),
        pytest.param(STORED, Rules().storage_reminders, "returned", id="storage", marks=pytest.mark.rule("SK-34")),
    ],
)
async def test_every_reminder_is_told_on_its_day_and_once(
    here: Joined, wait: Wait, days: tuple[int, ...], state: str
) -> None:
    order = await here.ordered()
    await wait.reached(order)
    order.moment.open.set()
    dues: list[datetime] = []
    said: list[int] = []

    while at := (await order.row()).remind_at:
        dues.append(at)
        said.append((await order.row()).reminder_days)
        await order.forward_to(at - A_SECOND)
        early = len(order.moment.instants)
        await order.forward_to(at)
        await until(lambda: told(order, len(dues)))
        assert early == len(dues) - 1

    assert said == list(days)
    assert (await order.row()).state == state
    assert all(due <= asked < due + SLACK for due, asked in zip(dues, order.moment.instants, strict=True))


async def written(order: Order) -> list[str]:
    """What stands in the timeline."""
    found = "select code from sparekey.timeline where order_id = :id"
    return [row.code for row in await order.world.rows(found, id=order.id)]


async def told(order: Order, many: int) -> bool:
    return (await order.world.events(order.id)).count("reminder_due") == many


# Patience.


async def number_exists(order: Order) -> None:
    await order.world.checked(order.id, "exists")


async def keys_cut(order: Order) -> None:
    await order.world.maker_says("ready", order.id, making=1)


async def unpaid(order: Order) -> None:
    order.joined.services.answers[money.ENSURE.name] = DECLINED
    await order.cut()
    await order.stands("cleared")
    await until(lambda: asked_for_money(order))


async def asked_for_money(order: Order) -> bool:
    return money.ENSURE.name in order.money()


async def paid(order: Order) -> None:
    del order.joined.services.answers[money.ENSURE.name]
    await order.handle.signal(steps.PAYMENT_CHANGED)


async def dispatched(order: Order) -> None:
    await order.world.dispatched(order.id)


async def scanned(order: Order) -> None:
    await order.scanned("out_for_delivery")


async def nothing(_order: Order) -> None:
    """As it was placed."""


async def held_too_long(order: Order) -> None:
    await order.missed()
    end = (await order.row()).deadline
    assert end is not None
    await order.lives_to(end + A_SECOND, "absent", deadline=None, remind_at=None)


async def sent_again(order: Order) -> None:
    await order.redelivering()
    await order.hears(order.world.dispatched(order.id, carrier="parcel"))
    await order.stands("redelivering", carrier="carrier")


PATIENCE = [
    pytest.param("checking", Wait(nothing, number_exists, "making"), marks=pytest.mark.rule("SK-15")),
    pytest.param("making", Wait(Order.making, keys_cut, "released"), marks=pytest.mark.rule("SK-28")),
    pytest.param("cleared", Wait(unpaid, paid, "released"), marks=pytest.mark.rule("SK-38")),
    pytest.param("released", Wait(Order.released, dispatched, "dispatched"), marks=pytest.mark.rule("OP-06")),
    pytest.param("dispatched", Wait(Order.sent, scanned, "dispatched"), marks=pytest.mark.rule("SK-41")),
    pytest.param("absent", Wait(held_too_long, handed_over, "handed-over"), marks=pytest.mark.rule("OP-06")),
    pytest.param("redelivering", Wait(sent_again, scanned, "redelivering"), marks=pytest.mark.rule("SK-41")),
]


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize(("silent", "wait"), PATIENCE)
async def test_a_person_is_called_when_patience_is_over_unless_word_has_come(
    here: Joined, silent: str, wait: Wait, seconds: int
) -> None:
    order = await here.ordered()
    await wait.reached(order)
    due = (await order.row()).patience_until
    assert due is not None

    await comes(order, due, seconds, wait)

    called = [answer.needs_operator for answer in order.moment.answers if answer.needs_operator]
    assert called in (
        [[]] if seconds < 0 else [[f"no-word-while-{silent}"]] if seconds > 0 else [[], [f"no-word-while-{silent}"]]
    )
    await order.stands(wait.then, needs_operator="")
    assert all(due <= asked < due + SLACK for asked in order.moment.instants)


@pytest.mark.rule("SK-28")
async def test_a_promised_day_that_passes_is_promised_anew_in_the_store(here: Joined) -> None:
    order = await here.ordered()
    await order.making()
    row = await order.row()
    assert row.patience_until is not None
    assert row.promised_on is not None

    order.moment.open.set()
    await order.forward_to(row.patience_until)
    await until(lambda: promised(order))

    moved = (await order.row()).promised_on
    assert moved is not None
    assert moved > row.promised_on


async def promised(order: Order) -> bool:
    return money.PROMISE.name in order.money()
