from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from services.chassis.errors import NotFound, RuumError
from services.rooms.members.models import Action, Refusal
from services.rooms.registration.domain import OnlyContractorRemoves
from tests.rooms.world import DESK, World, new_member, request_id
from tests.support.insisting import insisting


@pytest.mark.rule("RM-21")
@pytest.mark.parametrize("corporate", [False, True])
async def test_a_contractor_removes_anyone_of_the_room(world: World, corporate: bool) -> None:
    contractor, place = await world.move_in(corporate=corporate)
    family = [await world.add_family(place) for _ in range(3)]

    removed = await world.remove(contractor, place, *family[:2])

    assert removed == sorted(who.name for who in family[:2])
    assert await world.may(family[2], place)
    assert await world.may(contractor, place)


@pytest.mark.rule("RM-21")
@pytest.mark.parametrize("corporate", [False, True])
async def test_others_remove_only_themselves(world: World, corporate: bool) -> None:
    contractor, place = await world.move_in(corporate=corporate)
    one, other = await world.add_family(place), await world.add_family(place)

    for whom in ([contractor], [other], [one, other]):
        with pytest.raises(OnlyContractorRemoves):
            await world.remove(one, place, *whom)
    assert await world.remove(one, place, one) == [one.name]

    assert await world.may(contractor, place)
    assert await world.may(other, place)


@pytest.mark.rule("RM-21")
async def test_an_operator_removes_anyone_of_the_room(world: World) -> None:
    contractor, place = await world.move_in()
    family = await world.add_family(place)

    await world.remove(DESK, place, contractor, family)

    assert await world.told_of(place.room_id) == {"RoomRegistered": 1, "MemberRemoved": 2}


@pytest.mark.rule("RM-22")
async def test_a_removed_member_has_no_access_from_the_next_request_on(world: World) -> None:
    contractor, place = await world.move_in()
    family = await world.add_family(place)
    assert await world.may(family, place)

    await world.remove(contractor, place, family)

    with pytest.raises(NotFound):
        await world.check(family, place)
    with pytest.raises(NotFound):
        await world.members.room(family, place.room_id)
    with pytest.raises(NotFound):
        await world.remove(family, place, contractor)
    assert not (await world.rooms(family)).items
    removed = (await world.told(place.room_id))[-1]
    assert type(removed).__name__ == "MemberRemoved"
    assert removed.header.member_id == family.name  # type: ignore[attr-defined]  # every event has a header


@pytest.mark.rule("RM-21")
async def test_when_the_contractor_leaves_the_family_s_access_rests_and_everyone_is_told(world: World) -> None:
    lease = await world.let()
    contractor, place = await world.move_in(lease)
    family = {(await world.add_family(place)).name for _ in range(2)}
    one = next(iter(family))

    await world.remove(contractor, place, contractor)

    given = await world.members.permission(one, place.room_id, Action.VIEW_ROOM, None)
    assert given.refusal is Refusal.CONTRACTOR_LEFT
    told = [(type(event).__name__, event.header.member_id) for event in (await world.told(place.room_id))[1:]]  # type: ignore[attr-defined]  # every event has a header
    assert sorted(told) == sorted([("MemberRemoved", contractor.name), *(("AccessSuspended", who) for who in family)])


@pytest.mark.rule("RM-21")
async def test_the_family_s_access_comes_back_with_a_contractor(world: World) -> None:
    lease = await world.let()
    contractor, place = await world.move_in(lease)
    family = await world.add_family(place)
    await world.remove(contractor, place, contractor)

    await world.register(contractor, await world.issue(lease))

    assert await world.may(family, place)


async def test_who_is_left_without_a_contractor_can_still_leave(world: World) -> None:
    contractor, place = await world.move_in()
    family, other = await world.add_family(place), await world.add_family(place)
    await world.remove(contractor, place, contractor)

    with pytest.raises(NotFound):
        await world.remove(family, place, other)
    assert await world.remove(family, place, family) == [family.name]


@pytest.mark.rule("PR-15")
async def test_another_person_s_room_is_not_found(world: World) -> None:
    contractor, place = await world.move_in()
    stranger, _ = await world.move_in()

    with pytest.raises(NotFound):
        await world.members.room(stranger, place.room_id)
    with pytest.raises(NotFound):
        await world.household(stranger, place)
    with pytest.raises(NotFound):
        await world.check(stranger, place)
    for whom in (contractor, stranger):
        with pytest.raises(NotFound):
            await world.remove(stranger, place, whom)

    assert await world.may(contractor, place)


@pytest.mark.rule("PR-13")
async def test_removing_who_is_not_there_is_refused_and_removes_nobody(world: World) -> None:
    contractor, place = await world.move_in()
    family, gone = await world.add_family(place), await world.add_family(place)
    await world.remove(contractor, place, gone)

    for absent in (gone, new_member()):
        with pytest.raises(NotFound) as refused:
            await world.remove(contractor, place, family, absent)
        assert refused.value.field == "member_ids"

    assert await world.may(family, place)


@pytest.mark.rule("PR-10")
async def test_leaving_repeated_gives_the_same_answer(world: World) -> None:
    contractor, place = await world.move_in()
    request = request_id()

    answers = [await world.remove(contractor, place, contractor, request=request) for _ in range(3)]

    assert answers == [[contractor.name]] * 3
    assert (await world.told_of(place.room_id))["MemberRemoved"] == 1


@pytest.mark.rule("RM-21")
async def test_of_many_who_remove_one_member_at_once_one_does(world: World) -> None:
    contractor, place = await world.move_in()
    family = await world.add_family(place)
    start = asyncio.Event()

    async def remove() -> str:
        await start.wait()
        try:
            return (await insisting(lambda: world.remove(contractor, place, family)))[0]
        except RuumError as refused:
            return refused.code

    removing = [asyncio.create_task(remove()) for _ in range(50)]
    await asyncio.sleep(0)
    start.set()
    answers = await asyncio.gather(*removing)

    assert sorted(answers) == sorted([family.name, *["not-found"] * 49])
    assert (await world.told_of(place.room_id))["MemberRemoved"] == 1


@pytest.mark.rule("RM-21")
async def test_who_may_be_removed_is_listed_by_pages_to_the_contractor(world: World) -> None:
    contractor, place = await world.move_in()
    family = [(await world.add_family(place)).name for _ in range(3)]

    first = await world.household(contractor, place, size=2)
    second = await world.household(contractor, place, first.next_cursor, size=2)

    assert [one.member_id for one in (*first.items, *second.items)] == [*reversed(family), contractor.name]


@pytest.mark.rule("PR-15")
async def test_the_family_is_listed_only_themselves(world: World) -> None:
    _, place = await world.move_in()
    family = await world.add_family(place)
    await world.add_family(place)

    listed = await world.household(family, place)

    assert [one.member_id for one in listed.items] == [family.name]


@pytest.mark.rule("RM-20")
async def test_leaving_one_room_leaves_the_others(world: World) -> None:
    who, home = await world.move_in()
    office = await world.register(who, await world.issue(await world.let(corporate=True)))

    await world.remove(who, home, who)

    rooms = await world.rooms(who)
    assert [room.room_id for room in rooms.items] == [office.room_id]


async def test_a_contractor_of_the_lease_before_cannot_remove_who_came_after(world: World) -> None:
    old = await world.let(ends_on=date(2026, 4, 10))
    former, place = await world.move_in(old)
    current, _ = await world.move_in(await world.let(building_code=old.building_code, starts_on=date(2026, 4, 11)))
    world.clock.advance(timedelta(days=1))

    with pytest.raises(NotFound):
        await world.remove(former, place, current)

    assert await world.may(current, place)


@pytest.mark.rule("RM-21")
async def test_of_two_tenants_who_follow_each_other_neither_removes_the_other(world: World) -> None:
    old = await world.let(ends_on=date(2026, 4, 30))
    present, place = await world.move_in(old)
    coming, _ = await world.move_in(await world.let(building_code=old.building_code, starts_on=date(2026, 5, 1)))

    for one, other in ((present, coming), (coming, present)):
        with pytest.raises(NotFound):
            await world.remove(one, place, other)

    assert await world.may(present, place)
    assert await world.may(coming, place)
