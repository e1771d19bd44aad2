"""What the contract master states of buildings, rooms and leases (RM-01, RM-22)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from services.chassis.errors import Kind, RuumError, Violation
from services.chassis.events import Event
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.rooms.leases import repository
from services.rooms.leases.models import Address


class BuildingUnknown(RuumError):
    """A lease names a building that was never imported."""

    kind = Kind.INVALID
    code = "building-unknown"


class AddressIncomplete(RuumError):
    """Nothing could be sent to a building's address (SK-05)."""

    kind = Kind.INVALID
    code = "building-address-incomplete"


class OfRoom(Event):
    """Parent: a fact about a room, in the order of the room's facts."""

    room_id: str

    @classmethod
    def of(cls, room_id: str, **more: Any) -> Self:
        return cls(aggregate_id=room_id, room_id=room_id, **more)


class LeaseChanged(OfRoom):
    """Dates, room or contractor of a lease moved, or a room that was let is let once more."""

    lease_id: str
    lease_version: int


class AddressChanged(Event):
    """Parcels to a building's rooms are addressed otherwise from now on (SK-05)."""

    building_code: str


class _Stated(BaseModel):
    """Something that the contract master states at a version."""

    model_config = ConfigDict(frozen=True)

    version: int


class StatedBuilding(_Stated):
    building_code: str
    name: str
    address: Address
    e_touch: bool
    contact_phone: str


class StatedLease(_Stated):
    lease_code: str
    building_code: str
    room_number: str
    corporate: bool
    contractor_name: str
    contractor_kana: str
    starts_on: date
    ends_on: date | None = None


class ImportLeases(Command):
    buildings: tuple[StatedBuilding, ...]
    leases: tuple[StatedLease, ...]


class Imported(BaseModel):
    buildings_changed: int
    buildings_stale: int
    leases_changed: int
    leases_stale: int


S = TypeVar("S", bound=_Stated)


class Leases(Verbs):
    """Takes what the contract master states."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @command
    async def import_leases(self, work: Work, command: ImportLeases) -> Imported:
        """Keeps what is newer than what is known; what is not newer changes nothing (RM-01, RM-22).

        Raises:
            AddressIncomplete: a building's address lacks a part.
            BuildingUnknown: a lease's building is neither known nor in this import; nothing is changed.
        """
        incomplete = [
            Violation(f"buildings[{index}].address", AddressIncomplete.code, {})
            for index, building in enumerate(command.buildings)
            if not building.address.complete
        ]
        if incomplete:
            raise AddressIncomplete(violations=incomplete)
        stated = _newest(command.buildings, lambda building: building.building_code)
        buildings = await repository.put_buildings(work.tx, [_row(building) for building in stated])
        leases = await self._placed(work, command)
        changed = await repository.put_leases(work.tx, leases)
        await repository.keep_versions(work.tx, changed, work.now)
        work.tell(*(_told_of_building(row) for row in buildings if row["moved"]))
        work.tell(*(told for row in changed if row["moved"] for told in _told_of_lease(row)))
        return Imported(
            buildings_changed=len(buildings),
            buildings_stale=len(command.buildings) - len(buildings),
            leases_changed=len(changed),
            leases_stale=len(command.leases) - len(changed),
        )

    async def _placed(self, work: Work, command: ImportLeases) -> list[Mapping[str, Any]]:
        """The leases as rows, each with its room."""
        buildings = await repository.building_ids(work.tx, {lease.building_code for lease in command.leases})
        unknown = [
            Violation(f"leases[{index}].building_code", BuildingUnknown.code, {"building": lease.building_code})
            for index, lease in enumerate(command.leases)
            if lease.building_code not in buildings
        ]
        if unknown:
            raise BuildingUnknown(violations=unknown, building=unknown[0].params["building"])
        leases = _newest(command.leases, lambda lease: lease.lease_code)
        places = sorted({(buildings[lease.building_code], lease.room_number) for lease in leases})
        rooms = await repository.room_ids(
            work.tx, [{"id": new_id("room"), "building_id": building, "number": number} for building, number in places]
        )
        return [
            {
                "id": new_id("lea"),
                "code": lease.lease_code,
                "room_id": rooms[buildings[lease.building_code], lease.room_number],
                **lease.model_dump(exclude={"lease_code", "building_code", "room_number"}),
            }
            for lease in leases
        ]


def _row(building: StatedBuilding) -> dict[str, Any]:
    return {
        "id": new_id("bld"),
        "code": building.building_code,
        **building.address.model_dump(exclude={"building"}),
        **building.model_dump(exclude={"building_code", "address"}),
    }


def _told_of_building(row: sa.RowMapping) -> AddressChanged:
    return AddressChanged(aggregate_id=row["id"], building_code=row["code"])


def _told_of_lease(row: sa.RowMapping) -> list[LeaseChanged]:
    """Told to the room of the lease, and to the one that it was in before."""
    rooms = {row["room_id"], row["room_before"] or row["room_id"]}
    said = {"lease_id": row["id"], "lease_version": row["version"]}
    return [LeaseChanged.of(room_id, **said) for room_id in sorted(rooms)]


def _newest(stated: Iterable[S], code: Callable[[S], str]) -> list[S]:
    """Each thing once, at its newest version, in an order in which two imports never wait for each other."""
    newest: dict[str, S] = {}
    for each in stated:
        known = newest.setdefault(code(each), each)
        if known.version < each.version:
            newest[code(each)] = each
    return [newest[code] for code in sorted(newest)]
