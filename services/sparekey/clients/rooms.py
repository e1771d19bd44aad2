"""Rooms over gRPC (RM-05)."""

from __future__ import annotations

from datetime import datetime

import grpc
import structlog

from ruum.common.v1.common_pb2 import Address as AddressMessage
from ruum.rooms.v1 import rooms_pb2 as pb
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
from services.chassis import wire
from services.chassis.clock import Clock
from services.chassis.errors import Kind, RuumError
from services.sparekey.ports import Permission

_log = structlog.get_logger()

_KEPT_AT_MOST = 10_000
_NOBODY = Permission(allowed=False, refusal="not-registered")


class GrpcRooms:
    """Asks rooms afresh for everything that changes something; an answer is kept, as long as it says, for showing."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._rooms = RoomsServiceStub(channel)
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[bool, datetime | None]] = {}

    async def may_order_keys(self, member_id: str, room_id: str) -> Permission:
        asked = pb.CheckPermissionRequest(member_id=member_id, room_id=room_id, action=pb.ACTION_ORDER_KEYS)
        try:
            given = await self._rooms.CheckPermission(asked)
        except RuumError as failure:
            if failure.kind is not Kind.NOT_FOUND:
                raise
            self._kept.pop((member_id, room_id), None)
            return _NOBODY
        self._keep((member_id, room_id), allowed=given.allowed, until=wire.instant(given, "valid_until"))
        return wire.read(Permission, given, address=address(given.address))

    async def resides(self, member_id: str, room_id: str) -> bool:
        allowed, until = self._kept.get((member_id, room_id), (False, None))
        if until is not None and self._clock.now() < until:
            return allowed
        try:
            return (await self.may_order_keys(member_id, room_id)).allowed
        except RuumError as failure:
            _log.warning("rooms is silent", code=failure.code)
            return False

    async def contractor(self, room_id: str) -> str:
        try:
            return str((await self._rooms.GetContractor(pb.GetContractorRequest(room_id=room_id))).member_id)
        except RuumError as failure:
            if failure.kind is not Kind.NOT_FOUND:
                raise
            return ""

    def _keep(self, place: tuple[str, str], *, allowed: bool, until: datetime | None) -> None:
        # Forgotten answers cost a question each, and nothing else.
        if len(self._kept) >= _KEPT_AT_MOST:
            self._kept.clear()
        self._kept[place] = allowed, until


def address(message: AddressMessage) -> dict[str, str]:
    """An address by the names of its contract; what is empty is left out."""
    return {field.name: value for field, value in message.ListFields()}
