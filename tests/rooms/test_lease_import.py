from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from functools import partial

import pytest

from services.chassis.errors import RequestReused
from services.rooms.leases.domain import BuildingUnknown, Imported
from tests.rooms.world import World, request_id
from tests.support.insisting import insisting
from tests.support.statements import statements


@pytest.mark.rule("RM-01")
async def test_what_was_imported_is_what_residents_see(world: World) -> None:
    building = world.building("1-2-3", name="メゾン青葉", contact_phone="03-0000-0000", e_touch=False)
    lease = world.lease(building_code=building.building_code, room_number="501", ends_on=date(2027, 3, 31))

    imported = await world.state(building, lease)
    _, place = await world.move_in(lease)

    assert imported == Imported(buildings_changed=1, buildings_stale=0, leases_changed=1, leases_stale=0)
    assert (place.building_name, place.room_number, place.street) == ("メゾン青葉", "501", "1-2-3")
    assert (place.contact_phone, place.e_touch) == ("03-0000-0000", False)
    assert (place.lease_starts_on, place.lease_ends_on) == (date(2026, 4, 1), date(2027, 3, 31))


@pytest.mark.rule("RM-01")
async def test_the_same_import_again_gives_the_same_answer_and_changes_nothing(world: World) -> None:
    building = world.building()
    lease, request = world.lease(building_code=building.building_code), request_id()

    first = await world.state(building, lease, request=request)
    again = await world.state(building, lease, request=request)
    under_another_id = await world.state(building, lease)

    assert again == first
    assert under_another_id == Imported(buildings_changed=0, buildings_stale=1, leases_changed=0, leases_stale=1)


@pytest.mark.rule("PR-10")
async def test_another_import_under_the_same_id_is_refused(world: World) -> None:
    request = request_id()
    await world.state(world.building(), request=request)

    with pytest.raises(RequestReused):
        await world.state(world.building(), request=request)


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize("version", [4, 5])
async def test_what_is_not_newer_never_overwrites_a_lease(world: World, version: int) -> None:
    lease = await world.let(version=5, ends_on=date(2027, 3, 31))
    who, place = await world.move_in(lease)

    imported = await world.state(lease.model_copy(update={"version": version, "ends_on": date(2026, 4, 1)}))

    assert (imported.leases_changed, imported.leases_stale) == (0, 1)
    assert (await world.members.room(who, place.room_id)).lease_ends_on == date(2027, 3, 31)


@pytest.mark.rule("RM-01")
async def test_an_older_building_never_brings_back_an_old_address(world: World) -> None:
    building = world.building("新町1-1", version=2)
    await world.state(building)
    who, place = await world.move_in(building_code=building.building_code)

    await world.state(world.building("旧町9-9", building_code=building.building_code))

    assert (await world.members.room(who, place.room_id)).street == "新町1-1"


@pytest.mark.rule("RM-01")
async def test_of_several_versions_in_one_import_the_newest_counts(world: World) -> None:
    building = world.building()
    lease = world.lease(building_code=building.building_code)
    second, third = (lease.model_copy(update={"version": n, "corporate": n == 3}) for n in (2, 3))

    imported = await world.state(building, lease, third, second)

    assert (imported.leases_changed, imported.leases_stale) == (1, 2)
    _, place = await world.move_in(lease)
    assert (place.lease_version, place.corporate) == (3, True)


@pytest.mark.rule("PR-12")
async def test_a_lease_in_an_unknown_building_is_named_and_nothing_is_imported(world: World) -> None:
    building = world.building()
    good, bad = world.lease(building_code=building.building_code), world.lease(building_code="nowhere")

    with pytest.raises(BuildingUnknown) as refused:
        await world.state(building, good, bad)

    assert [violation.field for violation in refused.value.violations] == ["leases[1].building_code"]
    assert (await world.state(building)).buildings_changed == 1


@pytest.mark.rule("RM-22")
async def test_of_fifty_versions_that_come_at_once_the_newest_stays(world: World) -> None:
    lease = await world.let()
    versions = [
        lease.model_copy(update={"version": number, "ends_on": date(2026, 5, 1) + timedelta(days=number)})
        for number in range(2, 52)
    ]
    random.Random(22).shuffle(versions)

    imported = await asyncio.gather(*(insisting(partial(world.state, version)) for version in versions))

    _, place = await world.move_in(lease)
    assert (place.lease_version, place.lease_ends_on) == (51, date(2026, 5, 1) + timedelta(days=51))
    assert all(each.leases_changed + each.leases_stale == 1 for each in imported)


async def test_a_thousand_leases_are_imported_by_a_handful_of_statements(world: World) -> None:
    building = world.building()
    leases = [world.lease(building_code=building.building_code, room_number=str(number)) for number in range(1000)]
    await world.state(building)

    with statements(world.database) as asked:
        imported = await world.state(*leases)

    assert imported.leases_changed == 1000
    assert len(asked) <= 8


@pytest.mark.rule("RM-22")
async def test_what_moves_a_lease_is_told_once(world: World) -> None:
    lease = await world.let()
    _, place = await world.move_in(lease)
    request = request_id()
    spelled = await world.restate(lease, contractor_kana="ヤマダ")
    ended = spelled.model_copy(update={"version": 3, "ends_on": date(2026, 12, 31)})

    for _ in range(2):
        await world.state(ended, request=request)
        await world.state(ended)

    changes = [event for event in await world.told(place.room_id) if type(event).__name__ == "LeaseChanged"]
    assert [(event.lease_id, event.lease_version) for event in changes] == [(place.lease_id, 3)]  # type: ignore[attr-defined]  # a LeaseChanged


@pytest.mark.rule("SK-05")
async def test_a_lease_that_moves_to_another_room_is_told_to_both(world: World) -> None:
    lease = await world.let(room_number="501")
    who, place = await world.move_in(lease)

    await world.restate(lease, room_number="502")

    (moved,) = (await world.rooms(who)).items
    assert moved.room_id != place.room_id
    for room_id in (place.room_id, moved.room_id):
        assert (await world.told_of(room_id))["LeaseChanged"] == 1


@pytest.mark.rule("SK-05")
async def test_a_room_that_is_let_once_more_is_told_of_and_one_that_is_let_for_the_first_time_is_not(
    world: World,
) -> None:
    lease = await world.let()
    _, place = await world.move_in(lease)
    assert (await world.told_of(place.room_id))["LeaseChanged"] == 0

    await world.let(building_code=lease.building_code, room_number=lease.room_number)

    assert (await world.told_of(place.room_id))["LeaseChanged"] == 1


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize(
    ("changes", "told"),
    [({"street": "9-9-9"}, 1), ({"name": "メゾン若葉"}, 1), ({"contact_phone": "03-9999-9999"}, 0), ({}, 0)],
)
async def test_a_building_is_told_of_when_parcels_are_addressed_otherwise(
    world: World, changes: dict[str, str], told: int
) -> None:
    building = world.building()
    await world.state(building)

    for _ in range(2):
        await world.state(world.building(building_code=building.building_code, version=2, **changes))

    assert await world.addresses_told(building.building_code) == told


@pytest.mark.rule("RM-22")
async def test_a_lease_that_is_called_off_before_it_begins_gives_access_no_longer(world: World) -> None:
    lease = await world.let(starts_on=date(2026, 5, 1))
    who, place = await world.move_in(lease)

    await world.restate(lease, ends_on=date(2026, 4, 9))

    assert not await world.may(who, place)
