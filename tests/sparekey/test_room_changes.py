"""A lease that ends, a member removed, an address changed, between our release and the carrier (SK-05, SK-36)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.chassis.errors import Unavailable
from services.chassis.ids import new_id
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State
from services.sparekey.dispatch.domain import LookAgain
from tests.sparekey.neighbours import RECIPIENT, lease
from tests.sparekey.rooms import ELSEWHERE, Teller
from tests.sparekey.world import WORKER, World, request

LET_GO = pytest.mark.parametrize(
    ("way", "stopped_from"),
    [("released", State.RELEASED), ("told_again", State.REDELIVERY_REQUESTED)],
    ids=["released", "redelivery"],
)


async def let_go(world: World, way: str) -> str:
    """The maker was told to let the key go, and has not yet."""
    if way == "released":
        return await world.released()
    order_id = await world.asked_again()
    await world.redeliver(order_id)
    return order_id


def verbs(world: World, order_id: str) -> list[str]:
    """What the maker did for an order, in turn."""
    return [it["verb"] for it in world.maker.done.values() if it["order_id"] == order_id]


async def both(world: World, order_id: str, action: str) -> Case:
    await world.act(order_id, action, "op_sato")
    return await world.act(order_id, action, "op_tanaka")


@pytest.mark.rule("SK-05")
@LET_GO
@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ("lease-ended", Teller.lease_changed),
        ("not-registered", Teller.removed),
        ("contractor-left", Teller.suspended),
    ],
)
async def test_what_was_let_go_is_stopped_at_the_maker_when_its_member_has_no_right_to_it_any_more(
    world: World, way: str, stopped_from: State, refusal: str, told: Callable[[Teller], Awaitable[bool]]
) -> None:
    order_id = await let_go(world, way)
    world.leaves(refusal)

    await told(Teller(world))
    due, pokes = await world.case(order_id), await world.pokes(order_id)
    case = await world.look(order_id)

    assert (due.look_due, pokes > 0) == (True, True)
    assert (case.state, case.needs_operator, case.reason) == (State.STOPPED, refusal, refusal)
    assert (case.stopped_from, case.look_due) == (stopped_from, False)
    assert verbs(world, order_id)[-1] == "stop"
    assert (await world.event(order_id, "dispatch_stopped")).reason == refusal


@pytest.mark.rule("QA-12")
@LET_GO
async def test_what_was_let_go_to_an_address_that_is_no_longer_the_leases_is_stopped(
    world: World, way: str, stopped_from: State
) -> None:
    order_id = await let_go(world, way)

    await Teller(world).address_changed()
    case = await world.look(order_id)

    assert (case.state, case.reason, case.stopped_from) == (State.STOPPED, "address-changed", stopped_from)
    assert verbs(world, order_id)[-1] == "stop"


@pytest.mark.rule("SK-05")
async def test_a_key_that_operators_let_go_once_more_goes_to_the_new_address(world: World) -> None:
    order_id = await world.released()
    await Teller(world).address_changed()
    await world.look(order_id)

    assert (await both(world, order_id, "release_dispatch")).state == State.READY
    await world.look(order_id)
    await world.release(order_id)

    first, second = world.maker.did("release", order_id)
    assert (second["to"].address, second["to"].recipient) == (ELSEWHERE, RECIPIENT)
    assert first["to"].address != ELSEWHERE
    assert (await world.case(order_id)).reason == ""


@pytest.mark.rule("SK-05")
async def test_operators_cannot_let_a_key_go_to_somebody_who_is_still_gone(world: World) -> None:
    order_id = await world.released()
    await Teller(world).moved_out()
    await world.look(order_id)

    await both(world, order_id, "release_dispatch")
    case = await world.look(order_id)

    assert (case.state, case.reason, case.stopped_from) == (State.STOPPED, "lease-ended", State.READY)
    assert len(world.maker.did("release", order_id)) == 1


# What looks alike, and stops nothing.


@pytest.mark.rule("SK-05")
@LET_GO
async def test_a_lease_that_goes_on_at_its_address_stops_nothing_however_it_changed(
    world: World, way: str, stopped_from: State
) -> None:
    order_id = await let_go(world, way)
    before = await world.case(order_id)
    world.rooms.leases[world.member_id, world.room_id] = lease(lease_version=4)

    await Teller(world).lease_changed()
    case = await world.look(order_id)

    assert (case.state, case.look_due, case.patience_until) == (before.state, False, before.patience_until)
    assert "stop" not in verbs(world, order_id)
    assert stopped_from != case.stopped_from


@pytest.mark.rule("SK-05")
async def test_a_member_who_was_removed_and_is_back_when_we_hear_of_it_keeps_the_key(world: World) -> None:
    order_id = await world.released()

    await Teller(world).removed()
    case = await world.look(order_id)

    assert (case.state, case.look_due) == (State.RELEASED, False)


async def test_of_somebody_else_in_the_room_or_of_another_room_no_look_is_due(world: World) -> None:
    order_id = await world.released()
    neighbour = world.next_door()

    await Teller(world).removed(member_id=new_id("mem"))
    await Teller(neighbour).moved_out()

    assert not (await world.case(order_id)).look_due


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("way", ["ordered", "asked_for_number", "accepted", "made", "cleared"])
async def test_before_our_release_an_event_changes_nothing_and_the_look_at_the_release_stops_the_key(
    world: World, way: str
) -> None:
    order_id = await getattr(world, way)()
    before = await world.case(order_id)

    await Teller(world).moved_out()

    assert (await world.case(order_id)).version == before.version
    if way == "cleared":
        assert (await world.release(order_id)).state == State.STOPPED
        assert world.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_operators_need_not_wait_for_the_wished_day_to_learn_of_a_key_that_is_cut(world: World) -> None:
    order_id = await world.cut()
    await Teller(world).moved_out()
    assert (await world.pokes(order_id)) > 0

    assert (await world.look(order_id)).state == State.STOPPED


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("way", ["sent", "missed", "back", "on_its_way_again"])
async def test_once_a_carrier_has_had_it_an_event_changes_nothing(world: World, way: str) -> None:
    order_id = await getattr(world, way)()
    before = await world.case(order_id)

    await Teller(world).moved_out()
    after = await world.look(order_id)

    assert (after.version, after.state) == (before.version, before.state)


# Twice, late, out of order, while others are at work.


@pytest.mark.rule("OP-10")
async def test_an_event_that_comes_twice_has_the_key_looked_at_once(world: World) -> None:
    order_id = await world.released()
    rooms = Teller(world)
    await rooms.removed(version=1)
    after = await world.look(order_id)
    pokes = await world.pokes(order_id)

    assert await rooms.removed(version=1)

    assert (await world.case(order_id)).version == after.version
    assert await world.pokes(order_id) == pokes


@pytest.mark.rule("OP-10")
async def test_an_event_before_its_turn_waits_for_the_one_before_it_and_then_the_room_is_seen_as_it_is(
    world: World,
) -> None:
    order_id = await world.released()
    rooms = Teller(world)
    world.leaves("not-registered")

    early = await rooms.removed(version=2)
    assert (early, (await world.case(order_id)).look_due) == (False, False)
    assert await rooms.lease_changed(version=1)
    assert await rooms.removed(version=2)

    assert (await world.look(order_id)).reason == "not-registered"


@pytest.mark.rule("SK-05")
async def test_what_changes_while_a_look_is_under_way_is_looked_at_again(world: World) -> None:
    order_id = await world.released()
    rooms = Teller(world)
    await rooms.lease_changed()
    world.rooms.after = rooms.moved_out

    first = await world.look(order_id)
    second = await world.look(order_id)

    assert (first.state, first.look_due) == (State.RELEASED, True)
    assert (second.state, second.reason) == (State.STOPPED, "lease-ended")


@pytest.mark.rule("SK-05")
async def test_a_look_stays_due_while_rooms_is_silent(world: World) -> None:
    order_id = await world.released()
    await Teller(world).moved_out()
    world.rooms.silent = True

    with pytest.raises(Unavailable):
        await world.look(order_id)
    assert (await world.case(order_id)).look_due
    world.rooms.silent = False

    assert (await world.look(order_id)).state == State.STOPPED


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda world, _: Teller(world).moved_out(), marks=pytest.mark.rule("SK-05"), id="lease-ended"),
        pytest.param(lambda world, it: world.mail_redirect(it), marks=pytest.mark.rule("SK-37"), id="mail-redirect"),
    ],
)
async def test_a_maker_that_is_away_hears_of_the_stop_and_of_no_release_when_it_is_back(
    world: World, ends: Callable[[World, str], Awaitable[None]]
) -> None:
    order_id = await world.cleared()
    world.maker.away = True
    await world.release(order_id)
    await ends(world, order_id)
    assert (await world.look(order_id)).state == State.STOPPED
    world.maker.away = False

    world.pass_time(minutes=2)
    await world.domain.making.sweep()

    assert verbs(world, order_id) == ["check", "order", "stop"]


@pytest.mark.rule("QA-12")
async def test_a_release_whose_answer_was_lost_is_stopped_when_the_address_is_another_one_since(world: World) -> None:
    order_id = await world.cleared()
    world.maker.answer_lost = 1
    await world.release(order_id)
    world.rooms.leases[world.member_id, world.room_id] = lease(address=ELSEWHERE)

    world.pass_time(minutes=1)
    for _ in range(2):
        await world.domain.making.sweep()
        world.pass_time(minutes=1)

    case = await world.case(order_id)
    assert (case.state, case.reason) == (State.STOPPED, "address-changed")
    assert verbs(world, order_id) == ["check", "order", "release", "stop"]


@pytest.mark.rule("SK-05")
async def test_a_lease_whose_last_day_is_over_stops_the_key_in_the_night_though_nobody_tells(world: World) -> None:
    order_id, sent = await world.released(), await world.next_door().sent()
    world.leaves()

    due = await world.domain.dispatch.look_again(WORKER, LookAgain(request_id=request()))

    assert due.keys >= 1
    assert (await world.case(order_id)).look_due
    assert not (await world.case(sent)).look_due
    assert (await world.look(order_id)).reason == "lease-ended"
