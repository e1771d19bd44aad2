"""Houses, leases and people for tests, each with names of its own, at noon of 10 April 2026 in Japan."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import count
from typing import Any, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message

from ruum.rooms.v1 import events_pb2
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.rooms.codes.domain import IssueCodes, IssuedPair, Typed
from services.rooms.conflicts.domain import SettleConflict
from services.rooms.leases.domain import Imported, ImportLeases, StatedBuilding, StatedLease
from services.rooms.main import wired
from services.rooms.members import repository
from services.rooms.members.domain import Permission, Registered
from services.rooms.members.models import Action, Membership, Place
from services.rooms.models import outbox, requests
from services.rooms.registration.domain import RegisterRoom, RemoveMembers
from services.rooms.settings import Rules
from tests.support.callers import member, operator, service

MASTER = service("contract-master")
DESK = operator("opr_desk")
NOON = datetime(2026, 4, 10, 3, tzinfo=UTC)

T = TypeVar("T")
_numbers = count(1)


def new_member() -> Caller:
    return member(new_id("mem"))


def request_id() -> str:
    return new_id("req")


class World:
    """The whole of rooms on one database, with a clock that stands still."""

    def __init__(self, database: Database, at: datetime = NOON, **rules: Any) -> None:
        self.database = database
        self.clock = FixedClock(at)
        self.commands = Commands(
            database, Outbox("rooms", events_pb2, outbox), requests, b"a request key for tests", self.clock
        )
        self.domain = wired(self.commands, Rules(**rules), b"a code key for tests", "https://ruum.example")
        self.leases, self.codes, self.registration = self.domain.leases, self.domain.codes, self.domain.registration
        self.conflicts, self.members = self.domain.conflicts, self.domain.members

    def building(self, street: str = "港南2-16-1", **more: Any) -> StatedBuilding:
        stated = {
            "building_code": f"B{next(_numbers)}",
            "version": 1,
            "name": "サンハイツ",
            "address": {"postal_code": "108-0075", "prefecture": "東京都", "city": "港区", "street": street},
            "e_touch": True,
            "contact_phone": "0120-000-000",
        }
        return StatedBuilding.model_validate(stated | more)

    def lease(self, **more: Any) -> StatedLease:
        stated = {
            "lease_code": f"L{next(_numbers)}",
            "version": 1,
            "building_code": "",
            "room_number": "203",
            "corporate": False,
            "contractor_name": "山田 太郎",
            "contractor_kana": "ヤマダ タロウ",
            "starts_on": date(2026, 4, 1),
            "ends_on": None,
        }
        return StatedLease.model_validate(stated | more)

    async def state(self, *things: StatedBuilding | StatedLease, request: str = "") -> Imported:
        """What the contract master says."""
        asked = ImportLeases(
            request_id=request or request_id(),
            buildings=tuple(thing for thing in things if isinstance(thing, StatedBuilding)),
            leases=tuple(thing for thing in things if isinstance(thing, StatedLease)),
        )
        return await self.leases.import_leases(MASTER, asked)

    async def let(self, **more: Any) -> StatedLease:
        """A lease in a building of its own, unless one is named."""
        building = self.building()
        lease = self.lease(**{"building_code": building.building_code, **more})
        await self.state(*([] if "building_code" in more else [building]), lease)
        return lease

    async def restate(self, lease: StatedLease, **changes: Any) -> StatedLease:
        """The next version of a lease."""
        newer = lease.model_copy(update={"version": lease.version + 1, **changes})
        await self.state(newer)
        return newer

    async def issue(self, lease: StatedLease) -> IssuedPair:
        return await self.codes.issue(MASTER, IssueCodes(request_id=request_id(), lease_code=lease.lease_code))

    async def register(self, who: Caller, pair: IssuedPair, request: str = "") -> Place:
        """Looks at the room that a pair opens, and confirms."""
        typed = typed_from(pair)
        preview = await self.registration.preview(who, typed)
        return await self.confirm(who, typed, preview.preview_id, request)

    async def confirm(self, who: Caller, typed: Typed, preview_id: str, request: str = "") -> Place:
        asked = RegisterRoom(request_id=request or request_id(), preview_id=preview_id, **typed.model_dump())
        return await self.registration.register(who, asked)

    async def move_in(self, lease: StatedLease | None = None, **more: Any) -> tuple[Caller, Place]:
        """A contractor, registered under the lease, or under a new one like this."""
        who = new_member()
        return who, await self.register(who, await self.issue(lease or await self.let(**more)))

    async def add_family(self, place: Place, who: Caller | None = None) -> Caller:
        """Somebody who was invited."""
        who = who or new_member()
        invited = Membership.make(
            id=new_id("mbs"),
            lease_id=place.lease_id,
            member_id=who.name,
            contractor=False,
            registered_at=self.clock.now(),
        )
        assert await self.database.transact(lambda tx: repository.add(tx, invited))
        return who

    async def remove(self, by: Caller, place: Place, *whom: Caller, request: str = "") -> list[str]:
        asked = RemoveMembers(
            request_id=request or request_id(), room_id=place.room_id, member_ids=tuple(who.name for who in whom)
        )
        return await self.registration.remove(by, asked)

    async def settle(self, conflict_id: str, *, grant: bool, by: Caller = DESK, request: str = "") -> None:
        asked = SettleConflict(
            request_id=request or request_id(),
            conflict_id=conflict_id,
            grant_to_claimant=grant,
            reason="identity-checked",
        )
        await self.conflicts.settle(by, asked)

    async def rooms(self, who: Caller, cursor: str = "", size: int = 20) -> Listed[Place]:
        return await self.members.rooms(who, Page(cursor=cursor, size=size))

    async def household(self, who: Caller, place: Place, cursor: str = "", size: int = 20) -> Listed[Registered]:
        return await self.members.household(who, place.room_id, Page(cursor=cursor, size=size))

    async def history(
        self, place: Place, at: datetime | None = None, cursor: str = "", size: int = 20
    ) -> Listed[Registered]:
        return await self.members.history(place.room_id, at, Page(cursor=cursor, size=size))

    async def check(self, who: Caller, place: Place, action: Action = Action.VIEW_ROOM) -> Permission:
        return await self.members.permission(who.name, place.room_id, action, None)

    async def may(self, who: Caller, place: Place, action: Action = Action.VIEW_ROOM) -> bool:
        return (await self.check(who, place, action)).refusal is None

    async def told(self, room_id: str) -> list[Message]:
        """The events of a room in their order."""
        found = sa.select(outbox.c.subject, outbox.c.payload).where(outbox.c.aggregate_id == room_id)
        async with self.database.reading() as session:
            rows = (await session.execute(found.order_by(outbox.c.aggregate_version))).all()
        return [_message(subject).FromString(payload) for subject, payload in rows]

    async def addresses_told(self, building_code: str) -> int:
        """How often it was told that a building is addressed otherwise."""
        found = sa.select(outbox.c.payload).where(outbox.c.subject == "ruum.rooms.address_changed.v1")
        async with self.database.reading() as session:
            told = [events_pb2.AddressChanged.FromString(payload) for payload in await session.scalars(found)]
        return sum(event.building_code == building_code for event in told)

    async def told_of(self, room_id: str) -> Counter[str]:
        return Counter(type(event).__name__ for event in await self.told(room_id))


def typed_from(pair: IssuedPair, client: str = "") -> Typed:
    return Typed(code1=pair.code1, code2=pair.code2, client=client or new_id("cli"))


def _message(subject: str) -> type[Message]:
    name = "".join(word.capitalize() for word in subject.split(".")[2].split("_"))
    message: type[Message] = getattr(events_pb2, name)
    return message
