"""What rooms tells of a house, as bytes in their order, taken as the stream hands them over."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from nats.aio.client import Client

from ruum.rooms.v1 import events_pb2 as rooms
from services.chassis.ids import new_id
from services.chassis.stream import Consumer
from services.sparekey.events import RoomEvents
from services.sparekey.models import inbox
from tests.sparekey.house import House
from tests.sparekey.neighbours import ADDRESS, lease

ELSEWHERE = {**ADDRESS, "street": "北二条西2-2"}


class Teller:
    """Rooms, telling of one room and its building."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._versions: dict[str, int] = {}
        handlers = RoomEvents(house.domain.leaving).handlers()
        # The client only fetches; the events are handed over here.
        self._consumer = Consumer(
            "sparekey", "rooms", Client(), house.database, house.told, inbox, house.clock, handlers
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
        event = rooms.MemberRemoved(room_id=self.house.room_id)
        who = member_id or self.house.member_id
        return await self.tell("member_removed", event, self.house.room_id, version, who)

    async def suspended(self) -> bool:
        event = rooms.AccessSuspended(room_id=self.house.room_id)
        return await self.tell("access_suspended", event, self.house.room_id, member_id=self.house.member_id)

    async def lease_changed(self, version: int = 0) -> bool:
        event = rooms.LeaseChanged(room_id=self.house.room_id, lease_id=new_id("lea"), lease_version=4)
        return await self.tell("lease_changed", event, self.house.room_id, version)

    async def address_changed(self) -> bool:
        """The building's street has another name from now on."""
        self.house.rooms.leases[self.house.member_id, self.house.room_id] = lease(address=ELSEWHERE)
        return await self.tell("address_changed", rooms.AddressChanged(building_code="B-0001"), new_id("bld"))

    async def moved_out(self) -> None:
        """The lease has ended, and it is told."""
        self.house.leaves()
        await self.lease_changed()
