"""Before a key leaves: lease, membership, wish and the maker's hands (SK-05, SK-25, SK-36…SK-38)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from services.chassis.errors import InvalidField, StillRunning, Unavailable
from services.sparekey.actions.models import WishNotAsked
from services.sparekey.cases.models import Kind
from services.sparekey.cases.transitions import State
from services.sparekey.ports import MakerRefused
from tests.sparekey.house import House, jst
from tests.sparekey.neighbours import ADDRESS, RECIPIENT, lease

SECOND = timedelta(seconds=1)


@pytest.mark.rule("SK-38")
async def test_the_maker_is_asked_to_make_and_later_to_let_go_and_nothing_leaves_before(house: House) -> None:
    order_id = await house.cut(kind=Kind.IC, quantity=2)
    (made,) = house.maker.did("order", order_id)
    assert (made["keys"].kind, made["keys"].quantity, made["keys"].building_code) == (Kind.IC, 2, "B-0001")
    assert house.maker.did("release", order_id) == []

    await house.look(order_id)
    assert house.maker.did("release", order_id) == []
    released = await house.release(order_id)

    (gone,) = house.maker.did("release", order_id)
    assert released.state == State.RELEASED
    assert (gone["to"].address, gone["to"].recipient) == (ADDRESS, RECIPIENT)


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("refusal", ["lease-ended", "not-registered", "contractor-left"])
async def test_who_has_left_between_order_and_dispatch_gets_no_key_before_an_operator_decides(
    house: House, refusal: str
) -> None:
    order_id = await house.cut()
    house.leaves(refusal)

    case = await house.look(order_id)

    assert (case.state, case.needs_operator, case.reason) == (State.STOPPED, refusal, refusal)
    assert (await house.event(order_id, "dispatch_stopped")).reason == refusal
    assert house.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_lease_and_address_are_read_again_right_before_the_key_leaves(house: House) -> None:
    moved = {**ADDRESS, "street": "北二条西2-2"}
    order_id = await house.cleared()
    house.rooms.leases[house.member_id, house.room_id] = lease(address=moved)

    await house.release(order_id)

    (gone,) = house.maker.did("release", order_id)
    assert gone["to"].address == moved


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ends_after_the_payment_still_stops_the_key(house: House) -> None:
    order_id = await house.cleared()
    house.leaves()

    case = await house.release(order_id)

    assert (case.state, case.reason) == (State.STOPPED, "lease-ended")
    assert house.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ends_while_the_maker_is_away_takes_our_release_back(house: House) -> None:
    order_id = await house.cleared()
    house.maker.away = True
    released = await house.release(order_id)
    assert released.state == State.RELEASED
    house.maker.away = False
    house.leaves()

    case = await house.release(order_id)
    house.pass_time(minutes=1)
    await house.making.sweep(house.rules.sweep_after)

    assert (case.state, case.reason) == (State.STOPPED, "lease-ended")
    assert [it["verb"] for it in house.maker.done.values() if it["order_id"] == order_id][-1] == "stop"
    assert house.maker.did("release", order_id) == []


@pytest.mark.rule("SK-38")
async def test_a_release_whose_answer_was_lost_is_asked_again_under_the_same_key(house: House) -> None:
    order_id = await house.cleared()
    house.maker.answer_lost = 1
    await house.release(order_id)

    await house.release(order_id)

    keys = [key for verb, key in house.maker.asked if verb == "release"]
    assert (len(keys), len(set(keys))) == (2, 1)
    assert len(house.maker.did("release", order_id)) == 1


async def test_nothing_leaves_while_rooms_or_store_are_silent(house: House) -> None:
    order_id = await house.cut()
    house.rooms.silent = True
    with pytest.raises(Unavailable):
        await house.look(order_id)
    house.rooms.silent = False
    await house.look(order_id)
    house.store.silent = True
    with pytest.raises(Unavailable):
        await house.release(order_id)

    assert house.maker.did("release", order_id) == []
    house.store.silent = False
    assert (await house.release(order_id)).state == State.RELEASED


@pytest.mark.rule("SK-36")
async def test_nobody_who_has_left_gets_a_redelivery(house: House) -> None:
    order_id = await house.asked_again()
    house.leaves()

    case = await house.redeliver(order_id)

    assert (case.state, case.stopped_from) == (State.STOPPED, State.REDELIVERY_REQUESTED)
    assert house.maker.did("redeliver", order_id) == []


@pytest.mark.rule("SK-34")
async def test_a_redelivery_goes_to_the_lease_for_935_yen_on_delivery(house: House) -> None:
    order_id = await house.asked_again()
    moved = {**ADDRESS, "building": "メゾン北一条 201号室"}
    house.rooms.leases[house.member_id, house.room_id] = lease(address=moved)

    case = await house.redeliver(order_id)

    (gone,) = house.maker.did("redeliver", order_id)
    assert (gone["charge"], gone["to"].address) == (935, moved)
    assert (case.state, case.redelivery) == (State.REDELIVERING, 1)


async def test_what_the_maker_refuses_waits_for_an_operator_and_is_tried_again_by_them(house: House) -> None:
    order_id = await house.accepted()
    house.maker.refuses["order"] = "unknown-key-number"
    with pytest.raises(MakerRefused):
        await house.order_keys(order_id)
    refused = await house.case(order_id)
    assert (refused.state, refused.needs_operator, refused.making) == (State.ACCEPTED, "maker-refused", 0)

    house.maker.refuses.clear()
    await house.act(order_id, "try_again")
    case = await house.order_keys(order_id)

    assert (case.state, case.needs_operator, case.making) == (State.MAKING, "", 1)


async def test_a_refused_release_or_redelivery_stops_the_case(house: House) -> None:
    order_id, other = await house.cleared(), House(house.database, house.keys_file)
    again = await other.asked_again()
    house.maker.refuses["release"] = other.maker.refuses["redeliver"] = "wrong-state"

    with pytest.raises(MakerRefused):
        await house.release(order_id)
    with pytest.raises(MakerRefused):
        await other.redeliver(again)

    for stopped in (await house.case(order_id), await other.case(again)):
        assert (stopped.state, stopped.needs_operator) == (State.STOPPED, "maker-refused")


async def test_a_late_or_repeated_step_changes_nothing(house: House) -> None:
    order_id = await house.sent()
    before = await house.case(order_id)
    version = before.version

    for step in (house.check, house.order_keys, house.look, house.release, house.redeliver, house.stop):
        assert (await step(order_id)).version == version


# A wished day.


async def wishing(house: House, wish: date) -> str:
    """A key that is ready, for an order with a wished day."""
    order_id, _ = await house.ready_to_place()
    house.store.baskets[order_id].wish_date = wish
    await house.place(order_id, await house.review(order_id))
    await house.check(order_id)
    await house.checked(order_id, "exists")
    await house.order_keys(order_id)
    await house.maker_says("ready", order_id, making=1)
    return order_id


@pytest.mark.rule("SK-25")
async def test_a_key_that_is_ready_waits_until_it_must_leave_for_the_day_wished_for(house: House) -> None:
    order_id = await wishing(house, date(2026, 4, 20))

    case = await house.look(order_id)
    assert (case.state, case.deadline) == (State.READY, jst(2026, 4, 18))
    assert (await house.look(order_id)).version == case.version
    house.go_to(jst(2026, 4, 18))
    await house.expire(order_id)

    assert (await house.look(order_id)).state == State.CLEARED


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
async def test_a_wish_that_can_no_longer_be_met_is_asked_again(house: House, now: datetime, state: str) -> None:
    order_id = await wishing(house, date(2026, 4, 20))
    house.go_to(now)

    case = await house.look(order_id)

    assert case.state == (State.CLEARED if state == "leaves" else State.READY)
    assert case.wish_asked is (state == "asks")
    assert ("wish_date_passed" in await house.events(order_id)) is (state == "asks")


async def overtaken(house: House) -> str:
    order_id = await wishing(house, date(2026, 4, 2))
    await house.look(order_id)
    return order_id


@pytest.mark.rule("SK-25")
async def test_another_day_may_be_chosen_from_those_offered(house: House) -> None:
    order_id = await overtaken(house)
    offered = (await house.seen(order_id)).wishes
    assert (offered[0], offered[-1], len(offered)) == (date(2026, 4, 4), date(2026, 4, 17), 14)
    for wrong in (date(2026, 4, 3), date(2026, 4, 18)):
        with pytest.raises(InvalidField):
            await house.choose_wish(order_id, wrong)

    await house.choose_wish(order_id, date(2026, 4, 10))

    case = await house.look(order_id)
    assert (case.state, case.deadline, case.wish_asked) == (State.READY, jst(2026, 4, 8), False)
    with pytest.raises(WishNotAsked):
        await house.choose_wish(order_id, date(2026, 4, 11))


@pytest.mark.rule("SK-25")
async def test_no_day_may_be_chosen_too(house: House) -> None:
    order_id = await overtaken(house)

    await house.choose_wish(order_id, None)

    assert (await house.look(order_id)).state == State.CLEARED


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize(("past", "state"), [(-SECOND, State.READY), (timedelta(), State.CLEARED)])
async def test_without_an_answer_in_three_business_days_the_key_goes_without_a_wish(
    house: House, past: timedelta, state: State
) -> None:
    order_id = await overtaken(house)
    assert (await house.case(order_id)).deadline == jst(2026, 4, 7)
    house.go_to(jst(2026, 4, 7) + past)

    await house.expire(order_id)

    assert (await house.look(order_id)).state == state


# Calls to the maker.


async def test_one_thing_is_asked_of_the_maker_for_an_order_at_a_time(house: House) -> None:
    order_id = await house.cleared()
    busy: list[str] = []

    async def meanwhile(_verb: str) -> None:
        try:
            await house.making.carry_out(order_id)
        except StillRunning as refusal:
            busy.append(refusal.code)

    house.maker.before = meanwhile
    await house.release(order_id)

    assert busy == ["request-still-running"]
    assert len(house.maker.did("release", order_id)) == 1


@pytest.mark.rule("OP-06")
async def test_what_a_crash_left_open_is_carried_to_the_maker_and_the_process_told(house: House) -> None:
    order_id = await house.ordered()
    house.maker.away = True
    await house.check(order_id)
    house.maker.away = False

    await house.making.sweep(house.rules.sweep_after)
    assert house.maker.did("check", order_id) == []
    house.pass_time(seconds=10)
    await house.making.sweep(house.rules.sweep_after)

    assert len(house.maker.did("check", order_id)) == 1
    assert await house.pokes(order_id) == 1


async def test_a_silent_maker_is_asked_less_and_less_often(house: House) -> None:
    order_id = await house.ordered()
    house.maker.away = True
    await house.check(order_id)

    for _ in range(60):
        house.pass_time(seconds=60)
        await house.making.sweep(house.rules.sweep_after)

    asked = [verb for verb, key in house.maker.asked if key.startswith(order_id)]
    assert 8 <= len(asked) <= 12


@pytest.mark.rule("SK-15")
@pytest.mark.parametrize("verb", ["order", "redeliver"])
async def test_a_maker_who_takes_an_order_late_has_its_time_from_then(house: House, verb: str) -> None:
    order_id = await (house.accepted() if verb == "order" else house.asked_again())
    house.maker.away = True
    silent = await (house.order_keys(order_id) if verb == "order" else house.redeliver(order_id))
    assert silent.patience_until is not None
    house.go_to(silent.patience_until)
    called = await house.call_operator(order_id, f"no-word-while-{silent.state}")
    house.maker.away = False

    await house.making.sweep(house.rules.sweep_after)

    case = await house.case(order_id)
    assert called.needs_operator == f"no-word-while-{silent.state}"
    assert (case.state, case.needs_operator) == (silent.state, "")
    assert case.patience_until is not None
    assert case.patience_until > house.now + timedelta(days=7)
    assert case.arranged_at == (house.now if verb == "order" else silent.arranged_at)


@pytest.mark.rule("OP-06")
async def test_an_order_that_cannot_be_carried_does_not_keep_the_others_from_the_maker(house: House) -> None:
    spoilt = await house.accepted()
    other = house.next_door()
    sound = await other.accepted()
    house.maker.away = True
    await house.order_keys(spoilt)
    await other.order_keys(sound)
    house.maker.away = False
    await house.change("update sparekey.numbers set ciphertext = 'spoilt' where order_id = :id", id=spoilt)

    for _ in range(2):
        house.pass_time(minutes=2)
        await house.making.sweep(house.rules.sweep_after)

    assert len(house.maker.did("order", sound)) == 1
    (left,) = await house.rows("select problem from sparekey.calls where order_id = :id and verb = 'order'", id=spoilt)
    assert left.problem == "defect"


@pytest.mark.rule("OP-04")
@pytest.mark.parametrize("swept", [False, True])
async def test_a_look_up_that_the_maker_refused_calls_an_operator_and_is_asked_again_by_trying_again(
    house: House, swept: bool
) -> None:
    order_id = await house.ordered()
    house.maker.away = swept
    house.maker.refuses = {"check": "wrong-state"}
    if swept:
        await house.check(order_id)
        house.maker.away = False
        house.pass_time(minutes=1)
        await house.making.sweep(house.rules.sweep_after)
    else:
        with pytest.raises(MakerRefused):
            await house.check(order_id)
    called = (await house.case(order_id)).needs_operator
    house.maker.refuses = {}

    mended = await house.act(order_id, "try_again")
    await house.check(order_id)

    assert (called, mended.needs_operator) == ("maker-refused", "")
    assert len(house.maker.did("check", order_id)) == 1
