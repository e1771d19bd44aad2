"""The parcel: absence, hold, return, storage, redelivery, loss (SK-31…SK-35, SK-41)."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from services.chassis.errors import InvalidField
from services.sparekey.cases.transitions import State
from services.sparekey.members.models import RedeliveryNotPossible
from services.sparekey.ports import LeaseEnded
from services.sparekey.steps.domain import RemindMember
from tests.sparekey.world import WORKER, World, jst
from tests.support.insisting import insisting

SECOND = timedelta(seconds=1)


@pytest.mark.rule("SK-32")
async def test_an_absence_is_held_for_seven_days_and_the_recipient_told(world: World) -> None:
    order_id = await world.sent()
    number = (await world.case(order_id)).tracking_number

    await world.scan(number, "absent", at=jst(2026, 4, 1, 18))

    case = await world.case(order_id)
    assert (case.state, case.deadline) == (State.ABSENT, jst(2026, 4, 9))
    told = await world.event(order_id, "recipient_absent")
    assert (told.held_until.ToDatetime(UTC), told.redelivery) == (jst(2026, 4, 9), 0)


@pytest.mark.rule("SK-32")
async def test_the_recipient_is_reminded_on_the_days_of_the_hold_in_the_morning(world: World) -> None:
    order_id = await world.missed()
    reminded: list[tuple[datetime, int]] = []

    while at := (await world.case(order_id)).remind_at:
        world.go_to(at - SECOND)
        assert (await world.remind(order_id)).remind_at == at
        world.go_to(at)
        await world.remind(order_id)
        reminded.append((at, (await world.event(order_id, "reminder_due")).days))

    assert reminded == [(jst(2026, 4, 2, 10), 1), (jst(2026, 4, 5, 10), 4), (jst(2026, 4, 7, 10), 6)]


async def test_a_reminder_that_is_asked_for_again_is_given_once(world: World) -> None:
    order_id = await world.missed()
    world.go_to(jst(2026, 4, 2, 10))
    case = await world.case(order_id)
    due = {"reminder": case.reminder, "days": case.reminder_days, "redelivery": case.redelivery}

    await world.remind(order_id)
    await world.domain.steps.remind(WORKER, RemindMember(**world.step(order_id, **due)))

    assert (await world.events(order_id)).count("reminder_due") == 1


@pytest.mark.rule("OP-06")
async def test_a_hold_that_is_over_waits_two_weeks_for_word_before_an_operator_is_called(world: World) -> None:
    order_id = await world.missed()
    world.go_to(jst(2026, 4, 9))

    case = await world.expire(order_id)
    assert (case.state, case.deadline, case.patience_until) == (State.ABSENT, None, jst(2026, 4, 23))
    world.go_to(jst(2026, 4, 23))

    assert (await world.call_operator(order_id, "no-word-while-absent")).needs_operator == "no-word-while-absent"


@pytest.mark.rule("PR-06")
async def test_nobody_is_called_for_silence_that_a_word_has_just_broken(world: World) -> None:
    order_id = await world.missed()
    number = (await world.case(order_id)).tracking_number
    world.go_to(jst(2026, 4, 23))

    await world.scan(number, "handed_over")
    case = await world.call_operator(order_id, "no-word-while-absent")

    assert (case.state, case.needs_operator) == (State.HANDED_OVER, "")


@pytest.mark.rule("SK-33")
async def test_only_the_makers_word_makes_a_parcel_returned(world: World) -> None:
    order_id = await world.missed()
    number = (await world.case(order_id)).tracking_number

    await world.scan(number, "returned")
    assert (await world.case(order_id)).state == State.ABSENT
    await world.returned(order_id, date(2026, 4, 1))

    case = await world.case(order_id)
    assert (case.state, case.returned_on) == (State.RETURNED, date(2026, 4, 1))


@pytest.mark.rule("SK-34")
@pytest.mark.parametrize(
    ("returned_on", "noticed", "last_day"),
    [
        (date(2026, 4, 10), jst(2026, 4, 10, 9), date(2026, 5, 9)),
        (date(2026, 4, 10), jst(2026, 4, 25, 23, 59), date(2026, 5, 9)),
        (date(2026, 4, 10), jst(2026, 4, 26), date(2026, 5, 10)),
        (date(2026, 4, 10), jst(2026, 6, 1, 12), date(2026, 6, 15)),
    ],
)
async def test_the_maker_keeps_it_a_month_with_its_first_day_and_two_weeks_from_our_notice(
    world: World, returned_on: date, noticed: datetime, last_day: date
) -> None:
    order_id = await world.sent()
    world.go_to(noticed)

    await world.returned(order_id, returned_on)

    case = await world.case(order_id)
    end = jst(last_day.year, last_day.month, last_day.day) + timedelta(days=1)
    assert case.deadline == end
    told = await world.event(order_id, "key_returned")
    assert (told.deadline.ToDatetime(UTC), told.charge) == (end, 935)


@pytest.mark.rule("SK-34")
async def test_the_member_is_reminded_fourteen_seven_and_one_day_before_the_end(world: World) -> None:
    order_id = await world.back(on=date(2026, 4, 1))
    reminded: list[tuple[datetime, int]] = []

    while at := (await world.case(order_id)).remind_at:
        world.go_to(at)
        await world.remind(order_id)
        told = await world.event(order_id, "reminder_due")
        reminded.append((at, told.days))

    # The month ends with the thirtieth.
    assert reminded == [(jst(2026, 4, 16, 10), 14), (jst(2026, 4, 23, 10), 7), (jst(2026, 4, 29, 10), 1)]


async def test_reminders_that_a_late_notice_has_overtaken_are_left_out(world: World) -> None:
    order_id = await world.sent()
    world.go_to(jst(2026, 4, 20, 12))

    await world.returned(order_id, date(2026, 4, 1))

    case = await world.case(order_id)
    # Two weeks from the notice: the fourth of May; fourteen days before is today, in the morning.
    assert (case.deadline, case.remind_at, case.reminder_days) == (jst(2026, 5, 5), jst(2026, 4, 27, 10), 7)


@pytest.mark.rule("SK-34")
@pytest.mark.parametrize(("past", "taken"), [(-SECOND, True), (timedelta(), False), (SECOND, False)])
async def test_redelivery_is_ordered_within_the_month_and_only_within_it(
    world: World, past: timedelta, taken: bool
) -> None:
    order_id = await world.back(on=date(2026, 4, 1))
    world.go_to(jst(2026, 5, 1) + past)

    if taken:
        await world.ask_redelivery(order_id)
        assert (await world.case(order_id)).state == State.REDELIVERY_REQUESTED
        return
    with pytest.raises(RedeliveryNotPossible):
        await world.ask_redelivery(order_id)


@pytest.mark.rule("SK-34")
async def test_redelivery_needs_the_charge_to_be_accepted(world: World) -> None:
    order_id = await world.back()

    with pytest.raises(InvalidField) as refused:
        await world.ask_redelivery(order_id, accepted=False)

    (violation,) = refused.value.violations
    assert (violation.field, violation.code, violation.params) == (
        "charge_accepted",
        "key-redelivery-charge-not-accepted",
        {"charge": 935},
    )


@pytest.mark.rule("SK-36")
async def test_who_has_left_cannot_order_redelivery(world: World) -> None:
    order_id = await world.back()
    world.leaves()

    with pytest.raises(LeaseEnded):
        await world.ask_redelivery(order_id)


@pytest.mark.rule("SK-35")
@pytest.mark.parametrize(("past", "state"), [(-SECOND, State.RETURNED), (timedelta(), State.DESTROYED)])
async def test_after_the_month_the_key_is_destroyed_and_the_order_closed(
    world: World, past: timedelta, state: State
) -> None:
    order_id = await world.back(on=date(2026, 4, 1))

    case = await world.expire(order_id, as_of=jst(2026, 5, 1) + past)

    assert case.state == state
    if state is State.DESTROYED:
        await world.close(order_id, State.DESTROYED)
        assert (await world.event(order_id, "key_destroyed")).reason == "storage-ended"


@pytest.mark.rule("SK-35")
async def test_of_two_hundred_requests_and_timers_at_the_end_of_storage_exactly_one_wins(world: World) -> None:
    order_id = await world.back(on=date(2026, 4, 1))
    end = jst(2026, 5, 1)
    world.go_to(end - SECOND)
    gate = asyncio.Event()

    async def ask() -> str:
        await gate.wait()
        try:
            await insisting(lambda: world.ask_redelivery(order_id))
        except RedeliveryNotPossible:
            return "too late"
        return "taken"

    async def timer() -> str:
        await gate.wait()
        return (await insisting(lambda: world.expire(order_id, as_of=end))).state

    racers = [asyncio.ensure_future(ask() if it % 2 else timer()) for it in range(200)]
    await asyncio.sleep(0)
    gate.set()
    ends = await asyncio.gather(*racers)

    case = await world.case(order_id)
    taken = ends.count("taken")
    assert (taken, case.state, case.redelivery) in {
        (1, State.REDELIVERY_REQUESTED, 1),
        (0, State.DESTROYED, 0),
    }


@pytest.mark.rule("SK-35")
async def test_a_key_destroyed_after_a_request_was_accepted_is_made_again_free_of_charge(world: World) -> None:
    order_id = await world.asked_again()

    await world.maker_says("destroyed", order_id, destroyed_on="2026-04-01")
    case = await world.order_keys(order_id)
    assert (case.state, case.making, case.remade_free) == (State.MAKING, 2, True)
    await world.maker_says("ready", order_id, making=2)
    await world.look(order_id)
    await world.release(order_id)

    assert len(world.maker.did("remake", order_id)) == 1
    assert world.maker.did("redeliver", order_id) == []
    assert (await world.case(order_id)).state == State.RELEASED


@pytest.mark.rule("SK-35")
async def test_a_key_destroyed_too_early_is_made_again_for_who_asks_in_time(world: World) -> None:
    order_id = await world.back()
    await world.maker_says("destroyed", order_id, destroyed_on="2026-04-02")
    early = await world.case(order_id)
    assert (early.state, early.needs_operator) == (State.RETURNED, "destroyed-early")

    await world.ask_redelivery(order_id)

    assert (await world.redeliver(order_id)).state == State.ACCEPTED


@pytest.mark.rule("SK-35")
@pytest.mark.parametrize("end", ["refused", "absent"])
async def test_refusing_or_missing_the_parcel_again_counts_as_coming_back(world: World, end: str) -> None:
    order_id = await world.on_its_way_again()
    number = (await world.case(order_id)).tracking_number
    await world.scan(number, end, partner="carrier")

    await world.returned(order_id, date(2026, 4, 1))

    case = await world.case(order_id)
    assert (case.state, case.redelivery, case.deadline) == (State.RETURNED, 1, jst(2026, 5, 1))
    await world.ask_redelivery(order_id)
    assert (await world.case(order_id)).redelivery == 2


async def test_the_charge_is_recorded_whether_it_is_told_before_the_handing_over_or_after(world: World) -> None:
    other = World(world.database, world.keys_file)
    orders = await world.on_its_way_again(), await other.on_its_way_again()
    for order_id, kinds in zip(orders, (("collected", "handed_over"), ("handed_over", "collected")), strict=True):
        number = (await world.case(order_id)).tracking_number
        for kind in kinds:
            await world.scan(number, kind, at=world.now, partner="carrier")

    for order_id in orders:
        case = await world.case(order_id)
        assert (case.state, case.collected_at) == (State.HANDED_OVER, world.now)


@pytest.mark.rule("SK-41")
@pytest.mark.parametrize(("past", "called"), [(-SECOND, ""), (timedelta(), "no-word-while-dispatched")])
async def test_two_weeks_without_a_scan_call_an_operator(world: World, past: timedelta, called: str) -> None:
    order_id = await world.sent()
    number = (await world.case(order_id)).tracking_number
    world.go_to(jst(2026, 4, 3, 9))
    await world.scan(number, "accepted")
    assert (await world.case(order_id)).patience_until == jst(2026, 4, 18)
    world.go_to(jst(2026, 4, 18) + past)

    case = await world.call_operator(order_id, "no-word-while-dispatched")
    assert case.needs_operator == called
    await world.scan(number, "out_for_delivery")
    assert (await world.case(order_id)).needs_operator == ""


@pytest.mark.rule("SK-41")
async def test_a_parcel_that_the_post_has_lost_waits_for_an_operator(world: World) -> None:
    order_id = await world.sent()

    await world.scan((await world.case(order_id)).tracking_number, "lost")

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.LOST, "parcel-lost")
    assert (await world.events(order_id))[-1] == "key_lost"
