"""What rooms tells, and which verb it is for keys: decoded and passed on, nothing else."""

from __future__ import annotations

from ruum.rooms.v1 import events_pb2 as rooms
from services.chassis.idempotency import Work
from services.chassis.stream import Handlers
from services.sparekey.dispatch.domain import Dispatch


class RoomEvents:
    """Takes the events after which somebody may no longer have their key sent, or not to where it was (SK-05)."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    def handlers(self) -> Handlers:
        return {
            rooms.MemberRemoved: self._left,
            rooms.AccessSuspended: self._left,
            rooms.LeaseChanged: self._lease_changed,
            rooms.AddressChanged: self._address_changed,
        }

    async def _left(self, work: Work, told: rooms.MemberRemoved | rooms.AccessSuspended) -> None:
        await self._dispatch.room_changed(work, told.room_id, told.header.member_id)

    async def _lease_changed(self, work: Work, told: rooms.LeaseChanged) -> None:
        await self._dispatch.room_changed(work, told.room_id)

    async def _address_changed(self, work: Work, told: rooms.AddressChanged) -> None:
        await self._dispatch.address_changed(work, told.building_code)
