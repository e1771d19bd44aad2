"""Before a key leaves: lease, membership and the maker's hands (SK-05, SK-36…SK-38)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import StillRunning, Unavailable
from services.sparekey.cases.models import Kind
from services.sparekey.cases.transitions import State
from services.sparekey.ports import MakerRefused
from tests.sparekey.neighbours import ADDRESS, RECIPIENT, lease
from tests.sparekey.world import World

SECOND = timedelta(seconds=1)


@pytest.mark.rule("SK-38")
async def test_the_maker_is_asked_to_make_and_later_to_let_go_and_nothing_leaves_before(world: World) -> None:
    order_id = await world.cut(kind=Kind.IC, quantity=2)
    (made,) = world.maker.did("order", order_id)
    assert (made["keys"].kind, made["keys"].quantity, made["keys"].building_code) == (Kind.IC, 2, "B-0001")
    assert world.maker.did("release", order_id) == []

    await world.look(order_id)
    assert world.maker.did("release", order_id) == []
    released = await world.release(order_id)

    (gone,) = world.maker.did("release", order_id)
    assert released.state == State.RELEASED
    assert (gone["to"].address, gone["to"].recipient) == (ADDRESS, RECIPIENT)


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("refusal", ["lease-ended", "not-registered", "contractor-left"])
async def test_who_has_left_between_order_and_dispatch_gets_no_key_before_an_operator_decides(
    world: World, refusal: str
) -> None:
    order_id = await world.cut()
    world.leaves(refusal)

    case = await world.look(order_id)

    assert (case.state, case.needs_operator, case.reason) == (State.STOPPED, refusal, refusal)
    assert (await world.event(order_id, "dispatch_stopped")).reason == refusal
    assert world.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_lease_and_address_are_read_again_right_before_the_key_leaves(world: World) -> None:
    moved = {**ADDRESS, "street": "北二条西2-2"}
    order_id = await world.cleared()
    world.rooms.leases[world.member_id, world.room_id] = lease(address=moved)

    await world.release(order_id)

    (gone,) = world.maker.did("release", order_id)
    assert gone["to"].address == moved


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ends_after_the_payment_still_stops_the_key(world: World) -> None:
    order_id = await world.cleared()
    world.leaves()

    case = await world.release(order_id)

    assert (case.state, case.reason) == (State.STOPPED, "lease-ended")
    assert world.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_a_lease_that_ends_while_the_maker_is_away_takes_our_release_back(world: World) -> None:
    order_id = await world.cleared()
    world.maker.away = True
    released = await world.release(order_id)
    assert released.state == State.RELEASED
    world.maker.away = False
    world.leaves()

    case = await world.release(order_id)
    world.pass_time(minutes=1)
    await world.domain.making.sweep()

    assert (case.state, case.reason) == (State.STOPPED, "lease-ended")
    assert [it["verb"] for it in world.maker.done.values() if it["order_id"] == order_id][-1] == "stop"
    assert world.maker.did("release", order_id) == []


@pytest.mark.rule("SK-38")
async def test_a_release_whose_answer_was_lost_is_asked_again_under_the_same_key(world: World) -> None:
    order_id = await world.cleared()
    world.maker.answer_lost = 1
    await world.release(order_id)

    await world.release(order_id)

    keys = [key for verb, key in world.maker.asked if verb == "release"]
    assert (len(keys), len(set(keys))) == (2, 1)
    assert len(world.maker.did("release", order_id)) == 1


async def test_nothing_leaves_while_rooms_or_store_are_silent(world: World) -> None:
    order_id = await world.cut()
    world.rooms.silent = True
    with pytest.raises(Unavailable):
        await world.look(order_id)
    world.rooms.silent = False
    await world.look(order_id)
    world.store.silent = True
    with pytest.raises(Unavailable):
        await world.release(order_id)

    assert world.maker.did("release", order_id) == []
    world.store.silent = False
    assert (await world.release(order_id)).state == State.RELEASED


@pytest.mark.rule("SK-36")
async def test_nobody_who_has_left_gets_a_redelivery(world: World) -> None:
    order_id = await world.asked_again()
    world.leaves()

    case = await world.redeliver(order_id)

    assert (case.state, case.stopped_from) == (State.STOPPED, State.REDELIVERY_REQUESTED)
    assert world.maker.did("redeliver", order_id) == []


@pytest.mark.rule("SK-34")
async def test_a_redelivery_goes_to_the_lease_for_935_yen_on_delivery(world: World) -> None:
    order_id = await world.asked_again()
    moved = {**ADDRESS, "building": "メゾン北一条 201号室"}
    world.rooms.leases[world.member_id, world.room_id] = lease(address=moved)

    case = await world.redeliver(order_id)

    (gone,) = world.maker.did("redeliver", order_id)
    assert (gone["charge"], gone["to"].address) == (935, moved)
    assert (case.state, case.redelivery) == (State.REDELIVERING, 1)


async def test_what_the_maker_refuses_waits_for_an_operator_and_is_tried_again_by_them(world: World) -> None:
    order_id = await world.accepted()
    world.maker.refuses["order"] = "unknown-key-number"
    with pytest.raises(MakerRefused):
        await world.order_keys(order_id)
    refused = await world.case(order_id)
    assert (refused.state, refused.needs_operator, refused.making) == (State.ACCEPTED, "maker-refused", 0)

    world.maker.refuses.clear()
    await world.act(order_id, "try_again")
    case = await world.order_keys(order_id)

    assert (case.state, case.needs_operator, case.making) == (State.MAKING, "", 1)


async def test_a_refused_release_or_redelivery_stops_the_case(world: World) -> None:
    order_id, other = await world.cleared(), World(world.database, world.keys_file)
    again = await other.asked_again()
    world.maker.refuses["release"] = other.maker.refuses["redeliver"] = "wrong-state"

    with pytest.raises(MakerRefused):
        await world.release(order_id)
    with pytest.raises(MakerRefused):
        await other.redeliver(again)

    for stopped in (await world.case(order_id), await other.case(again)):
        assert (stopped.state, stopped.needs_operator) == (State.STOPPED, "maker-refused")


async def test_a_late_or_repeated_step_changes_nothing(world: World) -> None:
    order_id = await world.sent()
    before = await world.case(order_id)
    version = before.version

    for step in (world.check, world.order_keys, world.look, world.release, world.redeliver, world.stop):
        assert (await step(order_id)).version == version


# Calls to the maker.


async def test_one_thing_is_asked_of_the_maker_for_an_order_at_a_time(world: World) -> None:
    order_id = await world.cleared()
    busy: list[str] = []

    async def meanwhile(_verb: str) -> None:
        try:
            await world.domain.making.carry_out(order_id)
        except StillRunning as refusal:
            busy.append(refusal.code)

    world.maker.before = meanwhile
    await world.release(order_id)

    assert busy == ["request-still-running"]
    assert len(world.maker.did("release", order_id)) == 1


@pytest.mark.rule("OP-06")
async def test_what_a_crash_left_open_is_carried_to_the_maker_and_the_process_told(world: World) -> None:
    order_id = await world.ordered()
    world.maker.away = True
    await world.check(order_id)
    world.maker.away = False

    await world.domain.making.sweep()
    assert world.maker.did("check", order_id) == []
    world.pass_time(seconds=10)
    await world.domain.making.sweep()

    assert len(world.maker.did("check", order_id)) == 1
    assert await world.pokes(order_id) == 1


async def test_a_silent_maker_is_asked_less_and_less_often(world: World) -> None:
    order_id = await world.ordered()
    world.maker.away = True
    await world.check(order_id)

    for _ in range(60):
        world.pass_time(seconds=60)
        await world.domain.making.sweep()

    asked = [verb for verb, key in world.maker.asked if key.startswith(order_id)]
    assert 8 <= len(asked) <= 12


@pytest.mark.rule("SK-15")
@pytest.mark.parametrize("verb", ["order", "redeliver"])
async def test_a_maker_who_takes_an_order_late_has_its_time_from_then(world: World, verb: str) -> None:
    order_id = await (world.accepted() if verb == "order" else world.asked_again())
    world.maker.away = True
    silent = await (world.order_keys(order_id) if verb == "order" else world.redeliver(order_id))
    assert silent.patience_until is not None
    world.go_to(silent.patience_until)
    called = await world.call_operator(order_id, f"no-word-while-{silent.state}")
    world.maker.away = False

    await world.domain.making.sweep()

    case = await world.case(order_id)
    assert called.needs_operator == f"no-word-while-{silent.state}"
    assert (case.state, case.needs_operator) == (silent.state, "")
    assert case.patience_until is not None
    assert case.patience_until > world.now + timedelta(days=7)
    assert case.arranged_at == (world.now if verb == "order" else silent.arranged_at)


@pytest.mark.rule("OP-06")
async def test_an_order_that_cannot_be_carried_does_not_keep_the_others_from_the_maker(world: World) -> None:
    spoilt = await world.accepted()
    other = world.next_door()
    sound = await other.accepted()
    world.maker.away = True
    await world.order_keys(spoilt)
    await other.order_keys(sound)
    world.maker.away = False
    await world.change("update sparekey.numbers set ciphertext = 'spoilt' where order_id = :id", id=spoilt)

    for _ in range(2):
        world.pass_time(minutes=2)
        await world.domain.making.sweep()

    assert len(world.maker.did("order", sound)) == 1
    (left,) = await world.rows("select problem from sparekey.calls where order_id = :id and verb = 'order'", id=spoilt)
    assert left.problem == "defect"


@pytest.mark.rule("OP-04")
@pytest.mark.parametrize("swept", [False, True])
async def test_a_look_up_that_the_maker_refused_calls_an_operator_and_is_asked_again_by_trying_again(
    world: World, swept: bool
) -> None:
    order_id = await world.ordered()
    world.maker.away = swept
    world.maker.refuses = {"check": "wrong-state"}
    if swept:
        await world.check(order_id)
        world.maker.away = False
        world.pass_time(minutes=1)
        await world.domain.making.sweep()
    else:
        with pytest.raises(MakerRefused):
            await world.check(order_id)
    called = (await world.case(order_id)).needs_operator
    world.maker.refuses = {}

    mended = await world.act(order_id, "try_again")
    await world.check(order_id)

    assert (called, mended.needs_operator) == ("maker-refused", "")
    assert len(world.maker.did("check", order_id)) == 1
