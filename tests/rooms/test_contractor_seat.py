from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from services.chassis.caller import Caller
from services.chassis.errors import NotFound, RequestReused, RuumError
from services.rooms.codes.domain import IssuedPair, LeaseOver
from services.rooms.conflicts.domain import ConflictSettled
from services.rooms.leases.domain import StatedLease
from services.rooms.members.models import Place
from services.rooms.registration.domain import SeatTaken
from tests.rooms.world import World, new_member, request_id
from tests.support.insisting import insisting


class Clash:
    """Somebody of the household is registered as contractor, and the contractor has found out."""

    lease: StatedLease
    pair: IssuedPair
    holder: Caller
    claimant: Caller
    place: Place
    conflict_id: str

    @classmethod
    async def in_(cls, world: World, **lease: object) -> Clash:
        clash = cls()
        clash.lease = await world.let(**lease)
        clash.pair, clash.holder, clash.claimant = await world.issue(clash.lease), new_member(), new_member()
        clash.place = await world.register(clash.holder, clash.pair)
        clash.conflict_id = await claim(world, clash.claimant, clash.pair)
        return clash


async def claim(world: World, who: Caller, pair: IssuedPair, request: str = "") -> str:
    with pytest.raises(SeatTaken) as refused:
        await world.register(who, pair, request)
    return str(refused.value.params["conflict_id"])


@pytest.mark.rule("RM-06")
async def test_a_taken_seat_is_never_taken_over_but_claimed(world: World) -> None:
    clash = await Clash.in_(world)

    assert await world.members.contractor(clash.place.room_id) == clash.holder.name
    with pytest.raises(NotFound):
        await world.check(clash.claimant, clash.place)
    opened = (await world.told(clash.place.room_id))[-1]
    assert type(opened).__name__ == "ContractorConflictOpened"
    assert opened.conflict_id == clash.conflict_id  # type: ignore[attr-defined]  # as its name says
    assert opened.holder_member_id == clash.holder.name  # type: ignore[attr-defined]  # as its name says
    assert opened.header.member_id == clash.claimant.name  # type: ignore[attr-defined]  # as its name says


@pytest.mark.rule("RM-06")
async def test_trying_again_joins_the_open_claim(world: World) -> None:
    clash = await Clash.in_(world)

    assert await claim(world, clash.claimant, clash.pair) == clash.conflict_id

    assert (await world.told_of(clash.place.room_id))["ContractorConflictOpened"] == 1


@pytest.mark.rule("PR-10")
async def test_the_same_try_gets_the_same_refusal_also_when_the_seat_is_free(world: World) -> None:
    lease = await world.let()
    pair, holder, claimant, request = await world.issue(lease), new_member(), new_member(), request_id()
    place = await world.register(holder, pair)
    conflict_id = await claim(world, claimant, pair, request)
    await world.remove(holder, place, holder)

    assert await claim(world, claimant, pair, request) == conflict_id


@pytest.mark.rule("RM-06")
async def test_when_the_holder_releases_the_seat_the_contractor_registers(world: World) -> None:
    clash = await Clash.in_(world)

    await world.remove(clash.holder, clash.place, clash.holder)
    await world.register(clash.claimant, clash.pair)

    assert await world.members.contractor(clash.place.room_id) == clash.claimant.name
    assert await outcomes(world, clash.place.room_id) == [(clash.conflict_id, "released", clash.claimant.name)]
    with pytest.raises(ConflictSettled):
        await world.settle(clash.conflict_id, grant=True)


@pytest.mark.rule("RM-06")
async def test_an_operator_gives_the_seat_to_the_claimant_and_both_are_told(world: World) -> None:
    clash = await Clash.in_(world)

    await world.settle(clash.conflict_id, grant=True)

    assert await world.members.contractor(clash.place.room_id) == clash.claimant.name
    with pytest.raises(NotFound):
        await world.check(clash.holder, clash.place)
    told = [(type(event).__name__, event.header.member_id) for event in await world.told(clash.place.room_id)]  # type: ignore[attr-defined]  # every event has one
    assert ("MemberRemoved", clash.holder.name) in told
    assert told.count(("RoomRegistered", clash.claimant.name)) == 1
    assert await outcomes(world, clash.place.room_id) == [(clash.conflict_id, "granted", clash.claimant.name)]


@pytest.mark.rule("RM-06")
async def test_an_operator_leaves_the_seat_to_the_holder(world: World) -> None:
    clash = await Clash.in_(world)

    await world.settle(clash.conflict_id, grant=False)

    assert await world.members.contractor(clash.place.room_id) == clash.holder.name
    assert await outcomes(world, clash.place.room_id) == [(clash.conflict_id, "refused", clash.claimant.name)]
    assert await claim(world, clash.claimant, clash.pair) != clash.conflict_id


async def outcomes(world: World, room_id: str) -> list[tuple[str, str, str]]:
    return [
        (event.conflict_id, event.outcome, event.header.member_id)  # type: ignore[attr-defined]  # as its name says
        for event in await world.told(room_id)
        if type(event).__name__ == "ContractorConflictSettled"
    ]


@pytest.mark.rule("PR-13")
async def test_a_settled_claim_is_not_settled_again(world: World) -> None:
    clash = await Clash.in_(world)
    await world.settle(clash.conflict_id, grant=False)

    with pytest.raises(ConflictSettled):
        await world.settle(clash.conflict_id, grant=True)

    assert await world.members.contractor(clash.place.room_id) == clash.holder.name


@pytest.mark.rule("PR-10")
async def test_settling_repeated_settles_once(world: World) -> None:
    clash, request = await Clash.in_(world), request_id()

    for _ in range(3):
        await world.settle(clash.conflict_id, grant=True, request=request)
    with pytest.raises(RequestReused):
        await world.settle(clash.conflict_id, grant=False, request=request)

    assert await world.told_of(clash.place.room_id) == {
        "RoomRegistered": 2,
        "ContractorConflictOpened": 1,
        "MemberRemoved": 1,
        "ContractorConflictSettled": 1,
    }


async def test_a_claim_that_nobody_made_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.settle("cnf_01j00000000000000000000000", grant=True)


@pytest.mark.rule("RM-06")
async def test_when_one_claimant_gets_the_seat_the_other_claims_end(world: World) -> None:
    clash = await Clash.in_(world)
    other = new_member()
    lost = await claim(world, other, clash.pair)

    await world.settle(clash.conflict_id, grant=True)

    assert (lost, "refused", other.name) in await outcomes(world, clash.place.room_id)


async def test_a_claimant_who_was_invited_meanwhile_becomes_the_contractor(world: World) -> None:
    clash = await Clash.in_(world)
    clash.claimant = await world.add_family(clash.place, clash.claimant)

    await world.settle(clash.conflict_id, grant=True)

    assert await world.members.contractor(clash.place.room_id) == clash.claimant.name


async def test_the_seat_of_a_lease_that_is_over_is_not_given(world: World) -> None:
    clash = await Clash.in_(world, ends_on=date(2026, 4, 10))
    world.clock.advance(timedelta(days=1))

    with pytest.raises(LeaseOver):
        await world.settle(clash.conflict_id, grant=True)
    await world.settle(clash.conflict_id, grant=False)


@pytest.mark.rule("RM-06")
async def test_of_two_hundred_who_register_at_once_one_becomes_the_contractor(world: World) -> None:
    pair, start = await world.issue(await world.let()), asyncio.Event()

    async def attempt(who: Caller) -> str:
        request = request_id()
        await start.wait()
        try:
            return (await insisting(lambda: world.register(who, pair, request))).room_id
        except RuumError as refused:
            return refused.code

    callers = [new_member() for _ in range(200)]
    attempts = [asyncio.create_task(attempt(who)) for who in callers]
    await asyncio.sleep(0)
    start.set()
    answers = Counter(await asyncio.gather(*attempts))

    (room_id,) = set(answers) - {"contractor-seat-taken"}
    assert answers == {room_id: 1, "contractor-seat-taken": 199}
    assert await world.told_of(room_id) == {"RoomRegistered": 1, "ContractorConflictOpened": 199}


@pytest.mark.rule("RM-06")
async def test_release_and_decision_at_once_leave_one_contractor_and_no_claim(world: World) -> None:
    for _ in range(20):
        clash = await Clash.in_(world)

        results = await asyncio.gather(
            insisting(partial(world.remove, clash.holder, clash.place, clash.holder)),
            insisting(partial(world.settle, clash.conflict_id, grant=True)),
            insisting(partial(world.register, clash.claimant, clash.pair)),
            return_exceptions=True,
        )

        unnamed = [result for result in results if isinstance(result, Exception) and not isinstance(result, RuumError)]
        assert unnamed == []
        contractor = await world.members.contractor(clash.place.room_id)
        assert contractor in {None, clash.claimant.name}
        told = await world.told_of(clash.place.room_id)
        assert told["ContractorConflictOpened"] == told["ContractorConflictSettled"]
        assert told["MemberRemoved"] == 1


@pytest.mark.rule("RM-06")
async def test_a_release_while_a_claim_is_being_opened_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, holder = await world.issue(await world.let()), new_member()
    place = await world.register(holder, pair)
    seat_found_taken, go_on, claim_on = asyncio.Event(), asyncio.Event(), world.conflicts.claim

    async def pausing(*given: Any) -> str:
        seat_found_taken.set()
        await go_on.wait()
        return await claim_on(*given)

    monkeypatch.setattr(world.conflicts, "claim", pausing)
    claiming = asyncio.create_task(claim(world, new_member(), pair))
    await seat_found_taken.wait()
    releasing = asyncio.create_task(world.remove(holder, place, holder))
    await asyncio.wait({releasing}, timeout=0.5)
    go_on.set()
    await asyncio.gather(claiming, releasing)

    told = await world.told_of(place.room_id)
    assert told["ContractorConflictOpened"] == told["ContractorConflictSettled"] == 1
