"""The contract of rooms: read, ask the domain, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruum.rooms.v1 import rooms_pb2 as pb
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceServicer
from services.chassis import wire
from services.chassis.door import caller
from services.rooms.codes.domain import Codes, IssueCodes, Typed
from services.rooms.conflicts.domain import Conflicts, SettleConflict
from services.rooms.leases.domain import ImportLeases, Leases
from services.rooms.members.domain import Members
from services.rooms.members.models import Action
from services.rooms.registration.domain import RegisterRoom, Registration, RemoveMembers


@dataclass(frozen=True)
class Domain:
    """The domain of rooms, wired."""

    leases: Leases
    codes: Codes
    registration: Registration
    conflicts: Conflicts
    members: Members


class RoomsServicer(RoomsServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    async def ImportLeases(self, request: pb.ImportLeasesRequest, context: Any) -> pb.ImportLeasesResponse:
        imported = await self._domain.leases.import_leases(caller(), wire.read(ImportLeases, request))
        return wire.write(pb.ImportLeasesResponse, imported)

    async def IssueCodes(self, request: pb.IssueCodesRequest, context: Any) -> pb.CodePair:
        return wire.write(pb.CodePair, await self._domain.codes.issue(caller(), wire.read(IssueCodes, request)))

    async def PreviewRegistration(self, request: pb.PreviewRegistrationRequest, context: Any) -> pb.RegistrationPreview:
        preview = await self._domain.registration.preview(caller(), wire.read(Typed, request))
        return wire.write(pb.RegistrationPreview, preview)

    async def RegisterRoom(self, request: pb.RegisterRoomRequest, context: Any) -> pb.Membership:
        place = await self._domain.registration.register(caller(), wire.read(RegisterRoom, request))
        return wire.write(pb.Membership, place)

    async def ListMyRooms(self, request: pb.ListMyRoomsRequest, context: Any) -> pb.ListMyRoomsResponse:
        listed = await self._domain.members.rooms(caller(), wire.page(request.page))
        return wire.write(pb.ListMyRoomsResponse, listed, rooms=listed.items)

    async def GetMyRoom(self, request: pb.GetMyRoomRequest, context: Any) -> pb.Membership:
        return wire.write(pb.Membership, await self._domain.members.room(caller(), request.room_id))

    async def ListRoomMembers(self, request: pb.ListRoomMembersRequest, context: Any) -> pb.ListRoomMembersResponse:
        listed = await self._domain.members.household(caller(), request.room_id, wire.page(request.page))
        return wire.write(pb.ListRoomMembersResponse, listed, members=listed.items)

    async def RemoveMembers(self, request: pb.RemoveMembersRequest, context: Any) -> pb.RemoveMembersResponse:
        removed = await self._domain.registration.remove(caller(), wire.read(RemoveMembers, request))
        return pb.RemoveMembersResponse(removed_member_ids=removed)

    async def SettleConflict(self, request: pb.SettleConflictRequest, context: Any) -> pb.SettleConflictResponse:
        await self._domain.conflicts.settle(caller(), wire.read(SettleConflict, request))
        return pb.SettleConflictResponse()

    async def CheckPermission(self, request: pb.CheckPermissionRequest, context: Any) -> pb.Permission:
        action, as_of = Action(wire.word(pb.Action, request.action)), wire.instant(request, "as_of")
        given = await self._domain.members.permission(request.member_id, request.room_id, action, as_of)
        return wire.write(pb.Permission, given)

    async def ListAccessHistory(
        self, request: pb.ListAccessHistoryRequest, context: Any
    ) -> pb.ListAccessHistoryResponse:
        at, page = wire.instant(request, "at"), wire.page(request.page)
        listed = await self._domain.members.history(request.room_id, at, page)
        return wire.write(pb.ListAccessHistoryResponse, listed, records=listed.items)

    async def GetContractor(self, request: pb.GetContractorRequest, context: Any) -> pb.Contractor:
        return wire.write(pb.Contractor, None, member_id=await self._domain.members.contractor(request.room_id))
