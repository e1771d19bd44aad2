from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from functools import partial

import pytest

from services.chassis.errors import RequestReused
from services.rooms.leases.domain import BuildingUnknown, Imported
from services.rooms.members.domain import Asked
from tests.rooms.town import Town, request_id
from tests.support.insisting import insisting
from tests.support.statements import statements


@pytest.mark.rule("RM-01")
async def test_what_was_imported_is_what_residents_see(town: Town) -> None:
    building = town.building(name="メゾン青葉", street="1-2-3", contact_phone="03-0000-0000", e_touch=False)
    lease = town.lease(building_code=building.code, room_number="501", ends_on=date(2027, 3, 31))

    imported = await town.state(building, lease)
    _, place = await town.move_in(lease)

    assert imported == Imported(buildings_changed=1, buildings_stale=0, leases_changed=1, leases_stale=0)
    assert (place.building_name, place.room_number, place.street) == ("メゾン青葉", "501", "1-2-3")
    assert (place.contact_phone, place.e_touch) == ("03-0000-0000", False)
    assert (place.starts_on, place.ends_on) == (date(2026, 4, 1), date(2027, 3, 31))


@pytest.mark.rule("RM-01")
async def test_the_same_import_again_gives_the_same_answer_and_changes_nothing(town: Town) -> None:
    building = town.building()
    lease, request = town.lease(building_code=building.code), request_id()

    first = await town.state(building, lease, request=request)
    again = await town.state(building, lease, request=request)
    under_another_id = await town.state(building, lease)

    assert again == first
    assert under_another_id == Imported(buildings_changed=0, buildings_stale=1, leases_changed=0, leases_stale=1)


@pytest.mark.rule("PR-10")
async def test_another_import_under_the_same_id_is_refused(town: Town) -> None:
    request = request_id()
    await town.state(town.building(), request=request)

    with pytest.raises(RequestReused):
        await town.state(town.building(), request=request)


@pytest.mark.rule("RM-22")
@pytest.mark.parametrize("version", [4, 5])
async def test_what_is_not_newer_never_overwrites_a_lease(town: Town, version: int) -> None:
    lease = await town.let(version=5, ends_on=date(2027, 3, 31))
    who, place = await town.move_in(lease)

    imported = await town.state(lease.model_copy(update={"version": version, "ends_on": date(2026, 4, 1)}))

    assert (imported.leases_changed, imported.leases_stale) == (0, 1)
    assert (await town.members.room(who, place.room_id)).ends_on == date(2027, 3, 31)


@pytest.mark.rule("RM-01")
async def test_an_older_building_never_brings_back_an_old_address(town: Town) -> None:
    building = town.building(version=2, street="新町1-1")
    await town.state(building)
    who, place = await town.move_in(building_code=building.code)

    await town.state(building.model_copy(update={"version": 1, "street": "旧町9-9"}))

    assert (await town.members.room(who, place.room_id)).street == "新町1-1"


@pytest.mark.rule("RM-01")
async def test_of_several_versions_in_one_import_the_newest_counts(town: Town) -> None:
    building = town.building()
    lease = town.lease(building_code=building.code)
    second, third = (lease.model_copy(update={"version": n, "corporate": n == 3}) for n in (2, 3))

    imported = await town.state(building, lease, third, second)

    assert (imported.leases_changed, imported.leases_stale) == (1, 2)
    _, place = await town.move_in(lease)
    assert (place.lease_version, place.corporate) == (3, True)


@pytest.mark.rule("PR-12")
async def test_a_lease_in_an_unknown_building_is_named_and_nothing_is_imported(town: Town) -> None:
    building = town.building()
    good, bad = town.lease(building_code=building.code), town.lease(building_code="nowhere")

    with pytest.raises(BuildingUnknown) as refused:
        await town.state(building, good, bad)

    assert [violation.field for violation in refused.value.violations] == ["leases[1].building_code"]
    assert (await town.state(building)).buildings_changed == 1


@pytest.mark.rule("RM-22")
async def test_of_fifty_versions_that_come_at_once_the_newest_stays(town: Town) -> None:
    lease = await town.let()
    versions = [
        lease.model_copy(update={"version": number, "ends_on": date(2026, 5, 1) + timedelta(days=number)})
        for number in range(2, 52)
    ]
    random.Random(22).shuffle(versions)

    imported = await asyncio.gather(*(insisting(partial(town.state, version)) for version in versions))

    _, place = await town.move_in(lease)
    assert (place.lease_version, place.ends_on) == (51, date(2026, 5, 1) + timedelta(days=51))
    assert all(each.leases_changed + each.leases_stale == 1 for each in imported)


async def test_a_thousand_leases_are_imported_by_a_handful_of_statements(town: Town) -> None:
    building = town.building()
    leases = [town.lease(building_code=building.code, room_number=str(number)) for number in range(1000)]
    await town.state(building)

    with statements(town.database) as asked:
        imported = await town.state(*leases)

    assert imported.leases_changed == 1000
    assert len(asked) <= 8


@pytest.mark.rule("RM-22")
async def test_what_moves_a_lease_is_told_once(town: Town) -> None:
    lease = await town.let()
    _, place = await town.move_in(lease)
    request = request_id()
    spelled = await town.restate(lease, contractor_kana="ヤマダ")
    ended = spelled.model_copy(update={"version": 3, "ends_on": date(2026, 12, 31)})

    for _ in range(2):
        await town.state(ended, request=request)
        await town.state(ended)

    changes = [event for event in await town.told(place.room_id) if type(event).__name__ == "LeaseChanged"]
    assert [(event.lease_id, event.lease_version) for event in changes] == [(place.lease_id, 3)]  # type: ignore[attr-defined]  # a LeaseChanged


@pytest.mark.rule("SK-05")
async def test_a_lease_that_moves_to_another_room_is_told_to_both(town: Town) -> None:
    lease = await town.let(room_number="501")
    who, place = await town.move_in(lease)

    await town.restate(lease, room_number="502")

    ((moved,), _) = await town.members.rooms(who, Asked())
    assert moved.room_id != place.room_id
    for room_id in (place.room_id, moved.room_id):
        assert (await town.told_of(room_id))["LeaseChanged"] == 1


@pytest.mark.rule("SK-05")
async def test_a_room_that_is_let_once_more_is_told_of_and_one_that_is_let_for_the_first_time_is_not(
    town: Town,
) -> None:
    lease = await town.let()
    _, place = await town.move_in(lease)
    assert (await town.told_of(place.room_id))["LeaseChanged"] == 0

    await town.let(building_code=lease.building_code, room_number=lease.room_number)

    assert (await town.told_of(place.room_id))["LeaseChanged"] == 1


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize(
    ("changes", "told"),
    [({"street": "9-9-9"}, 1), ({"name": "メゾン若葉"}, 1), ({"contact_phone": "03-9999-9999"}, 0), ({}, 0)],
)
async def test_a_building_is_told_of_when_parcels_are_addressed_otherwise(
    town: Town, changes: dict[str, str], told: int
) -> None:
    building = town.building()
    await town.state(building)

    for _ in range(2):
        await town.state(building.model_copy(update={"version": 2, **changes}))

    assert await town.addresses_told(building.code) == told


@pytest.mark.rule("RM-22")
async def test_a_lease_that_is_called_off_before_it_begins_gives_access_no_longer(town: Town) -> None:
    lease = await town.let(starts_on=date(2026, 5, 1))
    who, place = await town.move_in(lease)

    await town.restate(lease, ends_on=date(2026, 4, 9))

    assert not await town.may(who, place)
