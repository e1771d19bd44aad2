from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from services.rooms.members.models import MemberKind, Place
from tests.rooms.world import DESK, NOON, World


async def had_access(world: World, place: Place, at: datetime) -> set[str]:
    return {one.member_id for one in (await world.history(place, at)).items}


@pytest.mark.rule("RM-23")
async def test_who_was_registered_as_what_from_when_to_when_and_removed_by_whom_is_kept(world: World) -> None:
    lease = await world.let()
    contractor, place = await world.move_in(lease)
    world.clock.advance(timedelta(days=1))
    family = await world.add_family(place)
    world.clock.advance(timedelta(days=1))
    await world.remove(contractor, place, family)
    world.clock.advance(timedelta(days=1))
    await world.remove(DESK, place, contractor)

    kept = await world.history(place)

    day = timedelta(days=1)
    assert [
        (one.member_id, one.kind, one.lease_code, one.registered_at, one.removed_at, one.removed_by)
        for one in kept.items
    ] == [
        (family.name, MemberKind.FAMILY, lease.lease_code, NOON + day, NOON + 2 * day, f"member:{contractor.name}"),
        (contractor.name, MemberKind.PRIMARY, lease.lease_code, NOON, NOON + 3 * day, "operator:opr_desk"),
    ]
    assert kept.next_cursor == ""


@pytest.mark.rule("RM-23")
async def test_who_had_access_at_an_instant_is_known(world: World) -> None:
    contractor, place = await world.move_in()
    family = await world.add_family(place)
    world.clock.advance(timedelta(hours=1))
    await world.remove(contractor, place, family)
    removed = world.clock.now()

    at = {seconds: await had_access(world, place, removed + timedelta(seconds=seconds)) for seconds in (-1, 0, 1)}

    assert at == {-1: {contractor.name, family.name}, 0: {contractor.name}, 1: {contractor.name}}
    assert await had_access(world, place, NOON - timedelta(seconds=1)) == set()


@pytest.mark.rule("RM-23")
async def test_history_knows_that_access_ended_with_the_lease_and_came_back_when_it_was_extended(world: World) -> None:
    lease = await world.let(ends_on=date(2026, 4, 12))
    contractor, place = await world.move_in(lease)
    world.clock.advance(timedelta(days=10))
    await world.restate(lease, ends_on=date(2026, 12, 31))

    had = [bool(await had_access(world, place, NOON + timedelta(days=days))) for days in (0, 2, 3, 9, 10, 11)]

    assert had == [True, True, False, False, True, True]
    assert await world.may(contractor, place)


@pytest.mark.rule("RM-23")
async def test_history_knows_that_the_family_s_access_was_suspended(world: World) -> None:
    lease = await world.let()
    contractor, place = await world.move_in(lease)
    family = await world.add_family(place)
    world.clock.advance(timedelta(days=1))
    await world.remove(contractor, place, contractor)
    world.clock.advance(timedelta(days=1))
    await world.register(contractor, await world.issue(lease))

    at = [await had_access(world, place, NOON + timedelta(days=days)) for days in (0, 1, 2)]

    assert at == [{contractor.name, family.name}, set(), {contractor.name, family.name}]


@pytest.mark.rule("RM-23")
async def test_history_tells_one_tenant_from_the_next(world: World) -> None:
    lease = await world.let()
    former, place = await world.move_in(lease)
    current, _ = await world.move_in(await world.let(building_code=lease.building_code, starts_on=date(2026, 4, 15)))

    at = [await had_access(world, place, NOON + timedelta(days=days)) for days in (0, 4, 5)]

    assert at == [{former.name, current.name}, {former.name, current.name}, {current.name}]


@pytest.mark.rule("PR-16")
async def test_history_is_paged_newest_first(world: World) -> None:
    contractor, place = await world.move_in()
    family = [(await world.add_family(place)).name for _ in range(4)]

    pages = [await world.history(place, NOON, size=2)]
    while pages[-1].next_cursor:
        pages.append(await world.history(place, NOON, pages[-1].next_cursor, size=2))

    assert [one.member_id for page in pages for one in page.items] == [*reversed(family), contractor.name]
    assert len(pages) == 3
