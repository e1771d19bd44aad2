"""The maker does not know the number: the week, the reply, and who is first (SK-13…SK-15)."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from services.chassis.errors import RequestReused, RuumError
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.members.domain import ReplyKeyNumber
from services.sparekey.members.models import NumberNotAsked
from services.sparekey.numbers.models import KeyNumberMalformed
from services.sparekey.ports import NotRegistered
from tests.sparekey.world import World, jst, member, request
from tests.support.insisting import insisting

SECOND = timedelta(seconds=1)


@pytest.mark.rule("SK-13")
async def test_a_number_that_exists_lets_the_order_go_on(world: World) -> None:
    order_id = await world.accepted()

    assert (await world.case(order_id)).state == State.ACCEPTED
    assert world.maker.did("check", order_id)[0]["number"] == "AB12CD34"


@pytest.mark.rule("SK-13")
async def test_the_week_counts_from_the_day_of_the_makers_mail(world: World) -> None:
    order_id = await world.ordered()
    await world.check(order_id)
    world.go_to(jst(2026, 4, 3, 23, 59))
    await world.checked(order_id, "unknown")
    assert (await world.case(order_id)).state == State.CHECKING

    await world.asked(order_id, mailed_at=jst(2026, 4, 3, 9))

    case = await world.case(order_id)
    assert (case.state, case.deadline) == (State.NUMBER_ASKED, jst(2026, 4, 11))
    told = await world.event(order_id, "key_number_asked")
    assert (told.deadline.ToDatetime(UTC), told.round) == (jst(2026, 4, 11), 1)
    assert await world.pokes(order_id) == 1


@pytest.mark.rule("SK-13")
@pytest.mark.parametrize("words", list(itertools.permutations(["checked", "number_asked", "number_replied"])))
async def test_the_makers_words_may_come_in_any_order_and_again(world: World, words: tuple[str, ...]) -> None:
    order_id = await world.ordered()
    await world.check(order_id)
    said = {
        "checked": {"check_id": world.check_id(order_id, 1), "result": "unknown"},
        "number_asked": {"check_id": world.check_id(order_id, 1), "mailed_at": world.now.isoformat()},
        "number_replied": {"key_number": "ZZ99YY88"},
    }

    for word in words:
        message = world.signed("maker", word, order_ref=order_id, **said[word])
        assert [await world.receive(message) for _ in range(3)] == [False, True, True]

    case = await world.case(order_id)
    assert (case.state, case.check_round, case.deadline) == (State.CHECKING, 2, None)
    assert case.number_due_at == jst(2026, 4, 9)
    assert (await world.seen(order_id)).key_number_masked == "••••••88"


async def test_word_of_a_check_may_come_before_our_own_call_has_its_answer(world: World) -> None:
    order_id = await world.ordered()

    async def answered(_verb: str) -> None:
        await world.checked(order_id, "exists")

    world.maker.before = answered

    assert (await world.check(order_id)).state == State.ACCEPTED


@pytest.mark.rule("SK-13")
async def test_a_wrong_reply_gets_another_notice_and_no_new_week(world: World) -> None:
    order_id = await world.asked_for_number()
    deadline = (await world.case(order_id)).deadline
    world.pass_time(days=3)
    await world.reply(order_id)
    await world.check(order_id)

    await world.checked(order_id, "unknown")

    case = await world.case(order_id)
    assert (case.state, case.deadline, case.check_round) == (State.NUMBER_ASKED, deadline, 2)
    assert (await world.event(order_id, "key_number_asked")).round == 2
    assert (await world.events(order_id)).count("key_number_asked") == 2


@pytest.mark.rule("SK-13")
async def test_without_a_correct_number_in_the_week_everything_is_given_back(world: World) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 9))

    case = await world.expire(order_id)
    assert (case.state, case.reason) == (State.CANCELLING, "key-number-not-confirmed")
    await world.stop(order_id)
    closed = await world.close(order_id, State.CANCELLED)

    assert closed.ended
    assert (await world.event(order_id, "key_order_cancelled")).reason == "key-number-not-confirmed"
    assert len(world.maker.did("stop", order_id)) == 1


@pytest.mark.rule("SK-14")
@pytest.mark.parametrize(("past", "waits"), [(-SECOND, True), (timedelta(), False), (SECOND, False)])
async def test_the_timer_is_right_to_the_second(world: World, past: timedelta, waits: bool) -> None:
    order_id = await world.asked_for_number()

    case = await world.expire(order_id, as_of=jst(2026, 4, 9) + past)

    assert case.state == (State.NUMBER_ASKED if waits else State.CANCELLING)


@pytest.mark.rule("SK-14")
@pytest.mark.parametrize(("past", "taken"), [(-SECOND, True), (timedelta(), False), (SECOND, False)])
@pytest.mark.parametrize("way", ["portal", "the maker's mail", "desk"])
async def test_a_reply_is_taken_until_the_last_second_and_not_after(
    world: World, past: timedelta, taken: bool, way: str
) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 9) + past)
    reference = await world.desk_number(order_id)

    refusal: RuumError | None = None
    try:
        match way:
            case "portal":
                await world.reply(order_id)
            case "desk":
                await world.act(order_id, "accept_key_number", reference=reference)
            case _:
                await world.maker_says("number_replied", order_id, key_number="ZZ99YY88")
    except RuumError as refused:
        refusal = refused

    case = await world.case(order_id)
    assert (case.state, case.check_round) == ((State.CHECKING, 2) if taken else (State.NUMBER_ASKED, 1))
    assert (await world.seen(order_id)).key_number_masked == ("••••••88" if taken else "••••••34")
    codes = {"portal": "key-number-not-asked", "desk": "key-operator-action-not-possible"}
    assert (refusal.code if refusal else None) == (None if taken else codes.get(way))


@pytest.mark.rule("SK-14")
async def test_a_reply_in_time_stops_the_week_while_it_is_checked(world: World) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 9) - SECOND)
    await world.reply(order_id)
    world.pass_time(days=2)

    assert (await world.expire(order_id)).state == State.CHECKING
    await world.check(order_id)
    await world.checked(order_id, "exists")

    assert (await world.case(order_id)).state == State.ACCEPTED


@pytest.mark.rule("SK-14")
@pytest.mark.parametrize(
    ("at", "state"), [(jst(2026, 4, 9) - SECOND, State.NUMBER_ASKED), (jst(2026, 4, 9), State.CANCELLING)]
)
async def test_a_reply_in_time_that_is_wrong_ends_the_order_once_the_week_is_over(
    world: World, at: datetime, state: State
) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 8, 12))
    await world.reply(order_id)
    await world.check(order_id)
    world.go_to(at)

    await world.checked(order_id, "unknown")

    case = await world.case(order_id)
    assert case.state == state
    assert case.reason == ("" if state is State.NUMBER_ASKED else "key-number-not-confirmed")


@pytest.mark.rule("SK-14")
async def test_of_two_hundred_replies_and_timers_at_the_deadline_exactly_one_wins(world: World) -> None:
    order_id = await world.asked_for_number()
    deadline = jst(2026, 4, 9)
    world.go_to(deadline - SECOND)
    gate = asyncio.Event()

    async def reply(number: int) -> str:
        await gate.wait()
        try:
            await insisting(lambda: world.reply(order_id, f"ZZ99Y{number:03d}"))
        except NumberNotAsked:
            return "too late"
        return "taken"

    async def timer() -> str:
        await gate.wait()
        return (await insisting(lambda: world.expire(order_id, as_of=deadline))).state

    racers = [asyncio.ensure_future(reply(it) if it % 2 else timer()) for it in range(200)]
    await asyncio.sleep(0)
    gate.set()
    ends = await asyncio.gather(*racers)

    case = await world.case(order_id)
    taken = ends.count("taken")
    assert (taken, case.state) in {(1, State.CHECKING), (0, State.CANCELLING)}
    assert case.check_round == 1 + taken
    assert set(ends[::2]) <= {State.CHECKING, State.CANCELLING}
    numbers = await world.rows("select 1 from sparekey.numbers where order_id = :id", id=order_id)
    assert len(numbers) == 1 + taken


@pytest.mark.rule("SK-13")
async def test_a_reply_after_the_cancellation_changes_nothing_and_the_maker_is_told(world: World) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 9))
    await world.expire(order_id)
    await world.stop(order_id)
    await world.close(order_id, State.CANCELLED)

    with pytest.raises(NumberNotAsked):
        await world.reply(order_id)
    await world.maker_says("number_replied", order_id, key_number="ZZ99YY88")
    world.pass_time(minutes=1)
    await world.domain.making.sweep()

    assert (await world.case(order_id)).state == State.CANCELLED
    assert (await world.seen(order_id)).key_number_masked == "••••••34"
    assert len(world.maker.did("stop", order_id)) == 2


async def test_a_reply_that_is_no_key_number_is_refused_at_its_field_or_calls_an_operator(world: World) -> None:
    order_id = await world.asked_for_number()

    with pytest.raises(KeyNumberMalformed):
        await world.reply(order_id, "AB12")
    await world.maker_says("number_replied", order_id, key_number="same as before")

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.NUMBER_ASKED, "reply-unreadable")


async def test_only_the_orderer_who_still_lives_there_replies(world: World) -> None:
    order_id = await world.asked_for_number()
    stranger = member(new_id("mem"))
    asked = ReplyKeyNumber(request_id=request(), order_id=order_id, key_number="ZZ99YY88")
    with pytest.raises(RuumError, match="not-found"):
        await world.domain.member_actions.reply(stranger, asked)
    world.leaves("not-registered")
    with pytest.raises(NotRegistered):
        await world.reply(order_id)


@pytest.mark.rule("SK-15")
async def test_while_the_maker_is_away_no_deadline_runs_and_the_check_is_asked_again_as_the_same(world: World) -> None:
    order_id = await world.ordered()
    world.maker.away = True
    for _ in range(3):
        await world.check(order_id)
    case = await world.case(order_id)
    assert (case.state, case.deadline) == (State.CHECKING, None)

    world.maker.away = False
    await world.check(order_id)

    assert {key for verb, key in world.maker.asked if verb == "check"} == {f"{order_id}/check/1"}


@pytest.mark.rule("SK-15")
@pytest.mark.parametrize(("past", "called"), [(-SECOND, ""), (timedelta(), "no-word-while-checking")])
async def test_three_business_days_of_silence_need_an_operator(world: World, past: timedelta, called: str) -> None:
    order_id = await world.ordered()
    # Ordered on Wednesday the first: Thursday, Friday, Monday.
    assert (await world.case(order_id)).patience_until == jst(2026, 4, 7)
    world.go_to(jst(2026, 4, 7) + past)

    case = await world.call_operator(order_id, "no-word-while-checking")

    assert (case.needs_operator, case.patience_until is None) == (called, bool(called))
    assert case.state == State.CHECKING


async def test_a_reply_clears_the_call_for_an_operator_and_waits_anew(world: World) -> None:
    order_id = await world.asked_for_number()
    await world.maker_says("number_replied", order_id, key_number="?")

    await world.reply(order_id)

    case = await world.case(order_id)
    assert (case.needs_operator, case.patience_until) == ("", jst(2026, 4, 7))


@pytest.mark.rule("SK-28")
async def test_an_order_that_had_to_be_confirmed_is_promised_from_its_confirmation(world: World) -> None:
    order_id = await world.asked_for_number()
    world.go_to(jst(2026, 4, 7, 10))
    await world.reply(order_id)
    await world.check(order_id)

    await world.checked(order_id, "exists")

    # Seven business days from Tuesday the seventh.
    assert str((await world.case(order_id)).promised_on) == "2026-04-16"


@pytest.mark.rule("PR-10")
async def test_the_same_reply_again_is_the_same_reply_also_when_the_order_went_on(world: World) -> None:
    order_id = await world.asked_for_number()
    await asyncio.gather(*(world.reply(order_id, "ZZ99YY88", "one-reply") for _ in range(5)))
    await world.check(order_id)
    await world.checked(order_id, "exists")
    version = (await world.case(order_id)).version

    await world.reply(order_id, "ZZ99YY88", "one-reply")
    with pytest.raises(RequestReused):
        await world.reply(order_id, "AA99YY88", "one-reply")

    assert (await world.case(order_id)).version == version
    assert await world.rows("select 1 from sparekey.numbers where order_id = :id and source = 'member'", id=order_id)
