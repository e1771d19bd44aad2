from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.chassis.errors import NotFound
from services.rooms.members.models import Action, Refusal
from tests.rooms.world import World

MIDNIGHT = datetime(2026, 4, 10, 15, tzinfo=UTC)
"""The 10th ends in Japan."""
AROUND = [(-1, True), (0, False), (1, False)]


def go_to(world: World, instant: datetime) -> None:
    world.clock.advance(instant - world.clock.now())


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize(("seconds", "access"), AROUND)
async def test_access_ends_with_the_last_night_of_the_lease_in_japan(world: World, seconds: int, access: bool) -> None:
    contractor, place = await world.move_in(ends_on=date(2026, 4, 10))
    family = await world.add_family(place)
    go_to(world, MIDNIGHT + timedelta(seconds=seconds))

    for who in (contractor, family):
        given = await world.check(who, place, Action.ORDER_KEYS)
        assert given.refusal is (None if access else Refusal.LEASE_ENDED)
        assert bool((await world.rooms(who)).items) == access


@pytest.mark.rule("RM-22")
async def test_what_ended_is_not_found_any_more(world: World) -> None:
    who, place = await world.move_in(ends_on=date(2026, 4, 10))
    go_to(world, MIDNIGHT)

    with pytest.raises(NotFound):
        await world.members.room(who, place.room_id)


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize(("seconds", "access"), AROUND)
async def test_an_end_that_is_moved_nearer_counts_from_its_night_on(world: World, seconds: int, access: bool) -> None:
    lease = await world.let(ends_on=date(2027, 3, 31))
    who, place = await world.move_in(lease)
    await world.restate(lease, ends_on=date(2026, 4, 10))
    go_to(world, MIDNIGHT + timedelta(seconds=seconds))

    assert await world.may(who, place) == access


@pytest.mark.rule("RM-22")
async def test_a_later_extension_restores_access_while_the_room_is_free(world: World) -> None:
    lease = await world.let(ends_on=date(2026, 4, 10))
    who, place = await world.move_in(lease)
    go_to(world, MIDNIGHT + timedelta(days=5))
    assert not await world.may(who, place)

    await world.restate(lease, ends_on=date(2026, 12, 31))

    assert await world.may(who, place)


@pytest.mark.rule("RM-22")
async def test_an_extension_restores_nothing_while_the_room_is_let_to_others(world: World) -> None:
    lease = await world.let(ends_on=date(2026, 4, 10))
    who, place = await world.move_in(lease)
    others, _ = await world.move_in(await world.let(building_code=lease.building_code, starts_on=date(2026, 4, 12)))
    go_to(world, MIDNIGHT + timedelta(days=5))

    await world.restate(lease, ends_on=date(2026, 12, 31))

    assert not await world.may(who, place)
    assert await world.may(others, place)


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize(("seconds", "access"), AROUND)
async def test_the_room_is_the_next_tenant_s_from_the_first_day_of_their_lease(
    world: World, seconds: int, access: bool
) -> None:
    lease = await world.let()
    who, place = await world.move_in(lease)
    following = await world.let(building_code=lease.building_code, starts_on=date(2026, 4, 11))
    others, _ = await world.move_in(following)
    go_to(world, MIDNIGHT + timedelta(seconds=seconds))

    keys = Action.ORDER_KEYS
    assert (await world.may(who, place, keys), await world.may(others, place, keys)) == (access, not access)


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize(("seconds", "let_to_others"), AROUND)
async def test_when_the_others_have_left_an_extended_lease_counts_again(
    world: World, seconds: int, let_to_others: bool
) -> None:
    lease = await world.let(ends_on=date(2026, 12, 31))
    who, place = await world.move_in(lease)
    await world.let(building_code=lease.building_code, starts_on=date(2026, 4, 11), ends_on=date(2026, 4, 20))

    go_to(world, MIDNIGHT + timedelta(days=10, seconds=seconds))

    assert await world.may(who, place) != let_to_others


@pytest.mark.rule("RM-22")
async def test_of_two_leases_that_begin_together_one_gives_access(world: World) -> None:
    first = await world.let()
    one, place = await world.move_in(first)
    other, _ = await world.move_in(await world.let(building_code=first.building_code))

    assert [await world.may(one, place), await world.may(other, place)].count(True) == 1


@pytest.mark.rule("RM-22")
async def test_an_answer_about_a_permission_is_never_kept_beyond_midnight(world: World) -> None:
    who, place = await world.move_in(ends_on=date(2026, 4, 10))
    go_to(world, MIDNIGHT - timedelta(seconds=10))

    assert (await world.check(who, place)).valid_until == MIDNIGHT


@pytest.mark.rule("RM-22")
async def test_the_contractor_who_is_told_of_a_key_is_that_of_the_running_lease(world: World) -> None:
    lease = await world.let(ends_on=date(2026, 4, 10))
    who, place = await world.move_in(lease)
    following = await world.let(building_code=lease.building_code, starts_on=date(2026, 4, 12))
    others, _ = await world.move_in(following)

    told = []
    for seconds in (-1, 0, 86_399, 86_400):
        go_to(world, MIDNIGHT + timedelta(seconds=seconds))
        told.append(await world.members.contractor(place.room_id))

    assert told == [who.name, None, None, others.name]
