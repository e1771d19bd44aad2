from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from services.rooms.members.domain import Asked
from services.rooms.members.models import MemberKind, Place
from tests.rooms.town import DESK, NOON, Town


async def had_access(town: Town, place: Place, at: datetime) -> set[str]:
    return {one.member_id for one in (await town.members.history(place.room_id, at, Asked()))[0]}


@pytest.mark.rule("RM-23")
async def test_who_was_registered_as_what_from_when_to_when_and_removed_by_whom_is_kept(town: Town) -> None:
    lease = await town.let()
    contractor, place = await town.move_in(lease)
    town.clock.advance(timedelta(days=1))
    family = await town.add_family(place)
    town.clock.advance(timedelta(days=1))
    await town.remove(contractor, place, family)
    town.clock.advance(timedelta(days=1))
    await town.remove(DESK, place, contractor)

    kept, cursor = await town.members.history(place.room_id, None, Asked())

    day = timedelta(days=1)
    assert [
        (one.member_id, one.kind, one.lease_code, one.registered_at, one.removed_at, one.removed_by) for one in kept
    ] == [
        (family.name, MemberKind.FAMILY, lease.code, NOON + day, NOON + 2 * day, f"member:{contractor.name}"),
        (contractor.name, MemberKind.PRIMARY, lease.code, NOON, NOON + 3 * day, "operator:opr_desk"),
    ]
    assert cursor == ""


@pytest.mark.rule("RM-23")
async def test_who_had_access_at_an_instant_is_known(town: Town) -> None:
    contractor, place = await town.move_in()
    family = await town.add_family(place)
    town.clock.advance(timedelta(hours=1))
    await town.remove(contractor, place, family)
    removed = town.clock.now()

    at = {seconds: await had_access(town, place, removed + timedelta(seconds=seconds)) for seconds in (-1, 0, 1)}

    assert at == {-1: {contractor.name, family.name}, 0: {contractor.name}, 1: {contractor.name}}
    assert await had_access(town, place, NOON - timedelta(seconds=1)) == set()


@pytest.mark.rule("RM-23")
async def test_history_knows_that_access_ended_with_the_lease_and_came_back_when_it_was_extended(town: Town) -> None:
    lease = await town.let(ends_on=date(2026, 4, 12))
    contractor, place = await town.move_in(lease)
    town.clock.advance(timedelta(days=10))
    await town.restate(lease, ends_on=date(2026, 12, 31))

    had = [bool(await had_access(town, place, NOON + timedelta(days=days))) for days in (0, 2, 3, 9, 10, 11)]

    assert had == [True, True, False, False, True, True]
    assert await town.may(contractor, place)


@pytest.mark.rule("RM-23")
async def test_history_knows_that_the_family_s_access_rested(town: Town) -> None:
    lease = await town.let()
    contractor, place = await town.move_in(lease)
    family = await town.add_family(place)
    town.clock.advance(timedelta(days=1))
    await town.remove(contractor, place, contractor)
    town.clock.advance(timedelta(days=1))
    await town.register(contractor, await town.issue(lease))

    at = [await had_access(town, place, NOON + timedelta(days=days)) for days in (0, 1, 2)]

    assert at == [{contractor.name, family.name}, set(), {contractor.name, family.name}]


@pytest.mark.rule("RM-23")
async def test_history_tells_one_tenant_from_the_next(town: Town) -> None:
    lease = await town.let()
    former, place = await town.move_in(lease)
    current, _ = await town.move_in(await town.let(building_code=lease.building_code, starts_on=date(2026, 4, 15)))

    at = [await had_access(town, place, NOON + timedelta(days=days)) for days in (0, 4, 5)]

    assert at == [{former.name, current.name}, {former.name, current.name}, {current.name}]


@pytest.mark.rule("PR-16")
async def test_history_is_paged_newest_first(town: Town) -> None:
    contractor, place = await town.move_in()
    family = [(await town.add_family(place)).name for _ in range(4)]

    listed, cursor = [], ""
    for _ in range(3):
        page, cursor = await town.members.history(place.room_id, NOON, Asked(size=2, cursor=cursor))
        listed += [one.member_id for one in page]

    assert listed == [*reversed(family), contractor.name]
    assert cursor == ""
