"""A lease that ends, a member removed, an address changed, between our release and the carrier (SK-05, SK-36)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.chassis.errors import Unavailable
from services.chassis.ids import new_id
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State
from services.sparekey.leaving.domain import LookAgain
from tests.sparekey.house import WORKER, House, request
from tests.sparekey.neighbours import RECIPIENT, lease
from tests.sparekey.rooms import ELSEWHERE, Teller

LET_GO = pytest.mark.parametrize(
    ("way", "stopped_from"),
    [("released", State.RELEASED), ("told_again", State.REDELIVERY_REQUESTED)],
    ids=["released", "redelivery"],
)


async def let_go(house: House, way: str) -> str:
    """The maker was told to let the key go, and has not yet."""
    if way == "released":
        return await house.released()
    order_id = await house.asked_again()
    await house.redeliver(order_id)
    return order_id


def verbs(house: House, order_id: str) -> list[str]:
    """What the maker did for an order, in turn."""
    return [it["verb"] for it in house.maker.done.values() if it["order_id"] == order_id]


async def both(house: House, order_id: str, action: str) -> Case:
    await house.act(order_id, action, "op_sato")
    return await house.act(order_id, action, "op_tanaka")


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
    house: House, way: str, stopped_from: State, refusal: str, told: Callable[[Teller], Awaitable[bool]]
) -> None:
    order_id = await let_go(house, way)
    house.leaves(refusal)

    await told(Teller(house))
    due, pokes = await house.case(order_id), await house.pokes(order_id)
    case = await house.look(order_id)

    assert (due.look_due, pokes > 0) == (True, True)
    assert (case.state, case.needs_operator, case.reason) == (State.STOPPED, refusal, refusal)
    assert (case.stopped_from, case.look_due) == (stopped_from, False)
    assert verbs(house, order_id)[-1] == "stop"
    assert (await house.event(order_id, "dispatch_stopped")).reason == refusal


@pytest.mark.rule("QA-12")
@LET_GO
async def test_what_was_let_go_to_an_address_that_is_no_longer_the_leases_is_stopped(
    house: House, way: str, stopped_from: State
) -> None:
    order_id = await let_go(house, way)

    await Teller(house).address_changed()
    case = await house.look(order_id)

    assert (case.state, case.reason, case.stopped_from) == (State.STOPPED, "address-changed", stopped_from)
    assert verbs(house, order_id)[-1] == "stop"


@pytest.mark.rule("SK-05")
async def test_a_key_that_operators_let_go_once_more_goes_to_the_new_address(house: House) -> None:
    order_id = await house.released()
    await Teller(house).address_changed()
    await house.look(order_id)

    assert (await both(house, order_id, "release_dispatch")).state == State.READY
    await house.look(order_id)
    await house.release(order_id)

    first, second = house.maker.did("release", order_id)
    assert (second["to"].address, second["to"].recipient) == (ELSEWHERE, RECIPIENT)
    assert first["to"].address != ELSEWHERE
    assert (await house.case(order_id)).reason == ""


@pytest.mark.rule("SK-05")
async def test_operators_cannot_let_a_key_go_to_somebody_who_is_still_gone(house: House) -> None:
    order_id = await house.released()
    await Teller(house).moved_out()
    await house.look(order_id)

    await both(house, order_id, "release_dispatch")
    case = await house.look(order_id)

    assert (case.state, case.reason, case.stopped_from) == (State.STOPPED, "lease-ended", State.READY)
    assert len(house.maker.did("release", order_id)) == 1


# What looks alike, and stops nothing.


@pytest.mark.rule("SK-05")
@LET_GO
async def test_a_lease_that_goes_on_at_its_address_stops_nothing_however_it_changed(
    house: House, way: str, stopped_from: State
) -> None:
    order_id = await let_go(house, way)
    before = await house.case(order_id)
    house.rooms.leases[house.member_id, house.room_id] = lease(lease_version=4)

    await Teller(house).lease_changed()
    case = await house.look(order_id)

    assert (case.state, case.look_due, case.patience_until) == (before.state, False, before.patience_until)
    assert "stop" not in verbs(house, order_id)
    assert stopped_from != case.stopped_from


@pytest.mark.rule("SK-05")
async def test_a_member_who_was_removed_and_is_back_when_we_hear_of_it_keeps_the_key(house: House) -> None:
    order_id = await house.released()

    await Teller(house).removed()
    case = await house.look(order_id)

    assert (case.state, case.look_due) == (State.RELEASED, False)


async def test_of_somebody_else_in_the_room_or_of_another_room_no_look_is_due(house: House) -> None:
    order_id = await house.released()
    neighbour = house.next_door()

    await Teller(house).removed(member_id=new_id("mem"))
    await Teller(neighbour).moved_out()

    assert not (await house.case(order_id)).look_due


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("way", ["ordered", "asked_for_number", "accepted", "made", "cleared"])
async def test_before_our_release_an_event_changes_nothing_and_the_look_at_the_release_stops_the_key(
    house: House, way: str
) -> None:
    order_id = await getattr(house, way)()
    before = await house.case(order_id)

    await Teller(house).moved_out()

    assert (await house.case(order_id)).version == before.version
    if way == "cleared":
        assert (await house.release(order_id)).state == State.STOPPED
        assert house.maker.did("release", order_id) == []


@pytest.mark.rule("SK-05")
async def test_operators_need_not_wait_for_the_wished_day_to_learn_of_a_key_that_is_cut(house: House) -> None:
    order_id = await house.cut()
    await Teller(house).moved_out()
    assert (await house.pokes(order_id)) > 0

    assert (await house.look(order_id)).state == State.STOPPED


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("way", ["sent", "missed", "back", "on_its_way_again"])
async def test_once_a_carrier_has_had_it_an_event_changes_nothing(house: House, way: str) -> None:
    order_id = await getattr(house, way)()
    before = await house.case(order_id)

    await Teller(house).moved_out()
    after = await house.look(order_id)

    assert (after.version, after.state) == (before.version, before.state)


# Twice, late, out of order, while others are at work.


@pytest.mark.rule("OP-10")
async def test_an_event_that_comes_twice_has_the_key_looked_at_once(house: House) -> None:
    order_id = await house.released()
    rooms = Teller(house)
    await rooms.removed(version=1)
    after = await house.look(order_id)
    pokes = await house.pokes(order_id)

    assert await rooms.removed(version=1)

    assert (await house.case(order_id)).version == after.version
    assert await house.pokes(order_id) == pokes


@pytest.mark.rule("OP-10")
async def test_an_event_before_its_turn_waits_for_the_one_before_it_and_then_the_room_is_seen_as_it_is(
    house: House,
) -> None:
    order_id = await house.released()
    rooms = Teller(house)
    house.leaves("not-registered")

    early = await rooms.removed(version=2)
    assert (early, (await house.case(order_id)).look_due) == (False, False)
    assert await rooms.lease_changed(version=1)
    assert await rooms.removed(version=2)

    assert (await house.look(order_id)).reason == "not-registered"


@pytest.mark.rule("SK-05")
async def test_what_changes_while_a_look_is_under_way_is_looked_at_again(house: House) -> None:
    order_id = await house.released()
    rooms = Teller(house)
    await rooms.lease_changed()
    house.rooms.after = rooms.moved_out

    first = await house.look(order_id)
    second = await house.look(order_id)

    assert (first.state, first.look_due) == (State.RELEASED, True)
    assert (second.state, second.reason) == (State.STOPPED, "lease-ended")


@pytest.mark.rule("SK-05")
async def test_a_look_stays_due_while_rooms_is_silent(house: House) -> None:
    order_id = await house.released()
    await Teller(house).moved_out()
    house.rooms.silent = True

    with pytest.raises(Unavailable):
        await house.look(order_id)
    assert (await house.case(order_id)).look_due
    house.rooms.silent = False

    assert (await house.look(order_id)).state == State.STOPPED


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda house, _: Teller(house).moved_out(), marks=pytest.mark.rule("SK-05"), id="lease-ended"),
        pytest.param(lambda house, it: house.mail_redirect(it), marks=pytest.mark.rule("SK-37"), id="mail-redirect"),
    ],
)
async def test_a_maker_that_is_away_hears_of_the_stop_and_of_no_release_when_it_is_back(
    house: House, ends: Callable[[House, str], Awaitable[None]]
) -> None:
    order_id = await house.cleared()
    house.maker.away = True
    await house.release(order_id)
    await ends(house, order_id)
    assert (await house.look(order_id)).state == State.STOPPED
    house.maker.away = False

    house.pass_time(minutes=2)
    await house.making.sweep(house.rules.sweep_after)

    assert verbs(house, order_id) == ["check", "order", "stop"]


@pytest.mark.rule("QA-12")
async def test_a_release_whose_answer_was_lost_is_stopped_when_the_address_is_another_one_since(house: House) -> None:
    order_id = await house.cleared()
    house.maker.answer_lost = 1
    await house.release(order_id)
    house.rooms.leases[house.member_id, house.room_id] = lease(address=ELSEWHERE)

    house.pass_time(minutes=1)
    for _ in range(2):
        await house.making.sweep(house.rules.sweep_after)
        house.pass_time(minutes=1)

    case = await house.case(order_id)
    assert (case.state, case.reason) == (State.STOPPED, "address-changed")
    assert verbs(house, order_id) == ["check", "order", "release", "stop"]


@pytest.mark.rule("SK-05")
async def test_a_lease_whose_last_day_is_over_stops_the_key_in_the_night_though_nobody_tells(house: House) -> None:
    order_id, sent = await house.released(), await house.next_door().sent()
    house.leaves()

    due = await house.domain.leaving.look_again(WORKER, LookAgain(request_id=request()))

    assert due.keys >= 1
    assert (await house.case(order_id)).look_due
    assert not (await house.case(sent)).look_due
    assert (await house.look(order_id)).reason == "lease-ended"
