from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from services.chassis.errors import NotFound, RuumError
from services.rooms.members.domain import Asked
from services.rooms.members.models import Action, Refusal
from services.rooms.registration.domain import OnlyContractorRemoves
from tests.rooms.town import DESK, Town, new_member, request_id
from tests.support.insisting import insisting


@pytest.mark.rule("RM-21")
@pytest.mark.parametrize("corporate", [False, True])
async def test_a_contractor_removes_anyone_of_the_room(town: Town, corporate: bool) -> None:
    contractor, place = await town.move_in(corporate=corporate)
    family = [await town.add_family(place) for _ in range(3)]

    removed = await town.remove(contractor, place, *family[:2])

    assert removed == sorted(who.name for who in family[:2])
    assert await town.may(family[2], place)
    assert await town.may(contractor, place)


@pytest.mark.rule("RM-21")
@pytest.mark.parametrize("corporate", [False, True])
async def test_others_remove_only_themselves(town: Town, corporate: bool) -> None:
    contractor, place = await town.move_in(corporate=corporate)
    one, other = await town.add_family(place), await town.add_family(place)

    for whom in ([contractor], [other], [one, other]):
        with pytest.raises(OnlyContractorRemoves):
            await town.remove(one, place, *whom)
    assert await town.remove(one, place, one) == [one.name]

    assert await town.may(contractor, place)
    assert await town.may(other, place)


@pytest.mark.rule("RM-21")
async def test_an_operator_removes_anyone_of_the_room(town: Town) -> None:
    contractor, place = await town.move_in()
    family = await town.add_family(place)

    await town.remove(DESK, place, contractor, family)

    assert await town.told_of(place.room_id) == {"RoomRegistered": 1, "MemberRemoved": 2}


@pytest.mark.rule("RM-22")
async def test_a_removed_member_has_no_access_from_the_next_request_on(town: Town) -> None:
    contractor, place = await town.move_in()
    family = await town.add_family(place)
    assert await town.may(family, place)

    await town.remove(contractor, place, family)

    with pytest.raises(NotFound):
        await town.check(family, place)
    with pytest.raises(NotFound):
        await town.members.room(family, place.room_id)
    with pytest.raises(NotFound):
        await town.remove(family, place, contractor)
    assert await town.members.rooms(family, Asked()) == ([], "")
    removed = (await town.told(place.room_id))[-1]
    assert type(removed).__name__ == "MemberRemoved"
    assert removed.header.member_id == family.name  # type: ignore[attr-defined]  # every event has a header


@pytest.mark.rule("RM-21")
async def test_when_the_contractor_leaves_the_family_s_access_rests_and_everyone_is_told(town: Town) -> None:
    lease = await town.let()
    contractor, place = await town.move_in(lease)
    family = {(await town.add_family(place)).name for _ in range(2)}
    one = next(iter(family))

    await town.remove(contractor, place, contractor)

    given = await town.members.permission(one, place.room_id, Action.VIEW_ROOM, None)
    assert given.refusal is Refusal.CONTRACTOR_LEFT
    told = [(type(event).__name__, event.header.member_id) for event in (await town.told(place.room_id))[1:]]  # type: ignore[attr-defined]  # every event has a header
    assert sorted(told) == sorted([("MemberRemoved", contractor.name), *(("AccessSuspended", who) for who in family)])


@pytest.mark.rule("RM-21")
async def test_the_family_s_access_comes_back_with_a_contractor(town: Town) -> None:
    lease = await town.let()
    contractor, place = await town.move_in(lease)
    family = await town.add_family(place)
    await town.remove(contractor, place, contractor)

    await town.register(contractor, await town.issue(lease))

    assert await town.may(family, place)


async def test_who_is_left_without_a_contractor_can_still_leave(town: Town) -> None:
    contractor, place = await town.move_in()
    family, other = await town.add_family(place), await town.add_family(place)
    await town.remove(contractor, place, contractor)

    with pytest.raises(NotFound):
        await town.remove(family, place, other)
    assert await town.remove(family, place, family) == [family.name]


@pytest.mark.rule("PR-15")
async def test_another_person_s_room_is_not_found(town: Town) -> None:
    contractor, place = await town.move_in()
    stranger, _ = await town.move_in()

    with pytest.raises(NotFound):
        await town.members.room(stranger, place.room_id)
    with pytest.raises(NotFound):
        await town.members.household(stranger, place.room_id, Asked())
    with pytest.raises(NotFound):
        await town.check(stranger, place)
    for whom in (contractor, stranger):
        with pytest.raises(NotFound):
            await town.remove(stranger, place, whom)

    assert await town.may(contractor, place)


@pytest.mark.rule("PR-13")
async def test_removing_who_is_not_there_is_refused_and_removes_nobody(town: Town) -> None:
    contractor, place = await town.move_in()
    family, gone = await town.add_family(place), await town.add_family(place)
    await town.remove(contractor, place, gone)

    for absent in (gone, new_member()):
        with pytest.raises(NotFound) as refused:
            await town.remove(contractor, place, family, absent)
        assert refused.value.field == "member_ids"

    assert await town.may(family, place)


@pytest.mark.rule("PR-10")
async def test_leaving_repeated_gives_the_same_answer(town: Town) -> None:
    contractor, place = await town.move_in()
    request = request_id()

    answers = [await town.remove(contractor, place, contractor, request=request) for _ in range(3)]

    assert answers == [[contractor.name]] * 3
    assert (await town.told_of(place.room_id))["MemberRemoved"] == 1


@pytest.mark.rule("RM-21")
async def test_of_many_who_remove_one_member_at_once_one_does(town: Town) -> None:
    contractor, place = await town.move_in()
    family = await town.add_family(place)
    start = asyncio.Event()

    async def remove() -> str:
        await start.wait()
        try:
            return (await insisting(lambda: town.remove(contractor, place, family)))[0]
        except RuumError as refused:
            return refused.code

    removing = [asyncio.create_task(remove()) for _ in range(50)]
    await asyncio.sleep(0)
    start.set()
    answers = await asyncio.gather(*removing)

    assert sorted(answers) == sorted([family.name, *["not-found"] * 49])
    assert (await town.told_of(place.room_id))["MemberRemoved"] == 1


@pytest.mark.rule("RM-21")
async def test_who_may_be_removed_is_listed_by_pages_to_the_contractor(town: Town) -> None:
    contractor, place = await town.move_in()
    family = [(await town.add_family(place)).name for _ in range(3)]

    first, cursor = await town.members.household(contractor, place.room_id, Asked(size=2))
    second, _ = await town.members.household(contractor, place.room_id, Asked(size=2, cursor=cursor))

    assert [one.member_id for one in first + second] == [*reversed(family), contractor.name]


@pytest.mark.rule("PR-15")
async def test_the_family_is_listed_only_themselves(town: Town) -> None:
    _, place = await town.move_in()
    family = await town.add_family(place)
    await town.add_family(place)

    listed, _ = await town.members.household(family, place.room_id, Asked())

    assert [one.member_id for one in listed] == [family.name]


@pytest.mark.rule("RM-20")
async def test_leaving_one_room_leaves_the_others(town: Town) -> None:
    who, home = await town.move_in()
    office = await town.register(who, await town.issue(await town.let(corporate=True)))

    await town.remove(who, home, who)

    rooms, _ = await town.members.rooms(who, Asked())
    assert [room.room_id for room in rooms] == [office.room_id]


async def test_a_contractor_of_the_lease_before_cannot_remove_who_came_after(town: Town) -> None:
    old = await town.let(ends_on=date(2026, 4, 10))
    former, place = await town.move_in(old)
    current, _ = await town.move_in(await town.let(building_code=old.building_code, starts_on=date(2026, 4, 11)))
    town.clock.advance(timedelta(days=1))

    with pytest.raises(NotFound):
        await town.remove(former, place, current)

    assert await town.may(current, place)


@pytest.mark.rule("RM-21")
async def test_of_two_tenants_who_follow_each_other_neither_removes_the_other(town: Town) -> None:
    old = await town.let(ends_on=date(2026, 4, 30))
    present, place = await town.move_in(old)
    coming, _ = await town.move_in(await town.let(building_code=old.building_code, starts_on=date(2026, 5, 1)))

    for one, other in ((present, coming), (coming, present)):
        with pytest.raises(NotFound):
            await town.remove(one, place, other)

    assert await town.may(present, place)
    assert await town.may(coming, place)
