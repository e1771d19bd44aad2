"""What rooms tells of a member's room, as bytes in their order, taken as the stream hands them over."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from nats.aio.client import Client

from ruum.rooms.v1 import events_pb2 as rooms
from services.chassis.ids import new_id
from services.chassis.stream import Consumer
from services.sparekey.events import RoomEvents
from services.sparekey.models import inbox
from tests.sparekey.neighbours import ADDRESS, lease
from tests.sparekey.world import World

ELSEWHERE = {**ADDRESS, "street": "北二条西2-2"}


class Teller:
    """Rooms, telling of one room and its building."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._versions: dict[str, int] = {}
        handlers = RoomEvents(world.domain.dispatch).handlers()
        # The client only fetches; the events are handed over here.
        self._consumer = Consumer(
            "sparekey", "rooms", Client(), world.database, world.told, inbox, world.clock, handlers
        )

    async def tell(
        self, subject: str, event: Message, aggregate_id: str, version: int = 0, member_id: str = ""
    ) -> bool:
        """Whether the event was taken, now or before."""
        if not version:
            version = self._versions[aggregate_id] = self._versions.get(aggregate_id, 0) + 1
        told: Any = event
        told.header.event_id = new_id("evt")
        told.header.aggregate_id, told.header.aggregate_version = aggregate_id, version
        told.header.member_id = member_id
        return await self._consumer.take(f"ruum.rooms.{subject}.v1", told.SerializeToString())

    async def removed(self, member_id: str = "", version: int = 0) -> bool:
        event = rooms.MemberRemoved(room_id=self.world.room_id)
        who = member_id or self.world.member_id
        return await self.tell("member_removed", event, self.world.room_id, version, who)

    async def suspended(self) -> bool:
        event = rooms.AccessSuspended(room_id=self.world.room_id)
        return await self.tell("access_suspended", event, self.world.room_id, member_id=self.world.member_id)

    async def lease_changed(self, version: int = 0) -> bool:
        event = rooms.LeaseChanged(room_id=self.world.room_id, lease_id=new_id("lea"), lease_version=4)
        return await self.tell("lease_changed", event, self.world.room_id, version)

    async def address_changed(self) -> bool:
        """The building's street has another name from now on."""
        self.world.rooms.leases[self.world.member_id, self.world.room_id] = lease(address=ELSEWHERE)
        return await self.tell("address_changed", rooms.AddressChanged(building_code="B-0001"), new_id("bld"))

    async def moved_out(self) -> None:
        """The lease has ended, and it is told."""
        self.world.leaves()
        await self.lease_changed()
