"""The contract of rooms over gRPC: decodes, asks the domain, encodes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Address, Day, Page
from ruum.rooms.v1 import rooms_pb2 as pb
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceServicer
from services.chassis.door import caller
from services.chassis.errors import InvalidField, Violation
from services.rooms.codes.domain import Codes, IssueCodes, Typed
from services.rooms.conflicts.domain import Conflicts, SettleConflict
from services.rooms.leases.domain import ImportLeases, Leases, StatedBuilding, StatedLease
from services.rooms.members.domain import Asked, Members, Permission, Registered
from services.rooms.members.models import Action, MemberKind, Place
from services.rooms.registration.domain import Registration, RemoveMembers

_KINDS = {kind: pb.MemberKind.Value(f"MEMBER_KIND_{kind.name}") for kind in MemberKind}
_ACTIONS = {action: pb.Action.Value(f"ACTION_{action.name}") for action in Action}
_ASKED = {number: action for action, number in _ACTIONS.items()}


class RoomsServicer(RoomsServiceServicer):
    def __init__(
        self, leases: Leases, codes: Codes, registration: Registration, conflicts: Conflicts, members: Members
    ) -> None:
        self._leases = leases
        self._codes = codes
        self._registration = registration
        self._conflicts = conflicts
        self._members = members

    async def ImportLeases(self, request: pb.ImportLeasesRequest, context: Any) -> pb.ImportLeasesResponse:
        imported = await self._leases.import_leases(
            caller(),
            ImportLeases(
                request_id=request.request_id,
                buildings=tuple(map(_building, request.buildings)),
                leases=tuple(_lease(lease, f"leases[{index}]") for index, lease in enumerate(request.leases)),
            ),
        )
        return pb.ImportLeasesResponse(**imported.model_dump())

    async def IssueCodes(self, request: pb.IssueCodesRequest, context: Any) -> pb.CodePair:
        pair = await self._codes.issue(
            caller(), IssueCodes(request_id=request.request_id, lease_code=request.lease_code)
        )
        return pb.CodePair(code1=pair.code1, code2=pair.code2, link=pair.link, qr_svg=pair.qr_svg)

    async def PreviewRegistration(self, request: pb.PreviewRegistrationRequest, context: Any) -> pb.RegistrationPreview:
        preview = await self._registration.preview(caller(), _typed(request))
        return pb.RegistrationPreview(**preview.model_dump(exclude={"kind"}), kind=_KINDS[preview.kind])

    async def RegisterRoom(self, request: pb.RegisterRoomRequest, context: Any) -> pb.Membership:
        place = await self._registration.register(caller(), request.request_id, _typed(request), request.preview_id)
        return _membership(place)

    async def ListMyRooms(self, request: pb.ListMyRoomsRequest, context: Any) -> pb.ListMyRoomsResponse:
        places, cursor = await self._members.rooms(caller(), _asked(request.page))
        return pb.ListMyRoomsResponse(rooms=map(_membership, places), next_cursor=cursor)

    async def GetMyRoom(self, request: pb.GetMyRoomRequest, context: Any) -> pb.Membership:
        return _membership(await self._members.room(caller(), request.room_id))

    async def ListRoomMembers(self, request: pb.ListRoomMembersRequest, context: Any) -> pb.ListRoomMembersResponse:
        found, cursor = await self._members.household(caller(), request.room_id, _asked(request.page))
        return pb.ListRoomMembersResponse(members=map(_room_member, found), next_cursor=cursor)

    async def RemoveMembers(self, request: pb.RemoveMembersRequest, context: Any) -> pb.RemoveMembersResponse:
        command = RemoveMembers(
            request_id=request.request_id, room_id=request.room_id, member_ids=tuple(request.member_ids)
        )
        return pb.RemoveMembersResponse(removed_member_ids=await self._registration.remove(caller(), command))

    async def SettleConflict(self, request: pb.SettleConflictRequest, context: Any) -> pb.SettleConflictResponse:
        command = SettleConflict(
            request_id=request.request_id,
            conflict_id=request.conflict_id,
            grant_to_claimant=request.grant_to_claimant,
            reason=request.reason,
        )
        await self._conflicts.settle(caller(), command)
        return pb.SettleConflictResponse()

    async def CheckPermission(self, request: pb.CheckPermissionRequest, context: Any) -> pb.Permission:
        as_of = _instant(request.as_of) if request.HasField("as_of") else None
        given = await self._members.permission(request.member_id, request.room_id, _ASKED[request.action], as_of)
        return _permission(given)

    async def ListAccessHistory(
        self, request: pb.ListAccessHistoryRequest, context: Any
    ) -> pb.ListAccessHistoryResponse:
        at = _instant(request.at) if request.HasField("at") else None
        found, cursor = await self._members.history(request.room_id, at, _asked(request.page))
        return pb.ListAccessHistoryResponse(records=map(_access_record, found), next_cursor=cursor)

    async def GetContractor(self, request: pb.GetContractorRequest, context: Any) -> pb.Contractor:
        return pb.Contractor(member_id=await self._members.contractor(request.room_id) or "")


def _building(given: pb.Building) -> StatedBuilding:
    return StatedBuilding(
        code=given.building_code,
        version=given.version,
        name=given.name,
        postal_code=given.address.postal_code,
        prefecture=given.address.prefecture,
        city=given.address.city,
        street=given.address.street,
        e_touch=given.e_touch,
        contact_phone=given.contact_phone,
    )


def _lease(given: pb.Lease, field: str) -> StatedLease:
    return StatedLease(
        code=given.lease_code,
        version=given.version,
        building_code=given.building_code,
        room_number=given.room_number,
        corporate=given.corporate,
        contractor_name=given.contractor_name,
        contractor_kana=given.contractor_kana,
        starts_on=_day(given.starts_on, f"{field}.starts_on"),
        ends_on=_day(given.ends_on, f"{field}.ends_on") if given.HasField("ends_on") else None,
    )


def _day(given: Day, field: str) -> date:
    try:
        return date.fromisoformat(given.iso)
    except ValueError:
        raise InvalidField(violations=[Violation(field, "day-not-in-calendar", {})]) from None


def _typed(request: pb.PreviewRegistrationRequest | pb.RegisterRoomRequest) -> Typed:
    return Typed(code1=request.code1, code2=request.code2, link=request.link, client=request.client)


def _asked(page: Page) -> Asked:
    return Asked(cursor=page.cursor, size=page.size or 20)


def _instant(given: Timestamp) -> datetime:
    return given.ToDatetime(UTC)


def _timestamp(instant: datetime) -> Timestamp:
    written = Timestamp()
    written.FromDatetime(instant)
    return written


def _membership(place: Place) -> pb.Membership:
    return pb.Membership(
        room_id=place.room_id,
        kind=_KINDS[place.kind],
        building_name=place.building_name,
        building_code=place.building_code,
        room_number=place.room_number,
        address=_address(place),
        e_touch=place.e_touch,
        registered_at=_timestamp(place.registered_at),
        actions=[_ACTIONS[action] for action in place.actions],
        lease_starts_on=Day(iso=place.starts_on.isoformat()),
        lease_ends_on=Day(iso=place.ends_on.isoformat()) if place.ends_on else None,
        contact_phone=place.contact_phone,
    )


def _permission(given: Permission) -> pb.Permission:
    place = given.place
    answer = pb.Permission(
        allowed=given.refusal is None,
        refusal=given.refusal or "",
        kind=_KINDS[place.kind],
        lease_id=place.lease_id,
        lease_version=place.lease_version,
        valid_until=_timestamp(given.valid_until),
    )
    if place.open:
        answer.building_code, answer.building_name = place.building_code, place.building_name
        answer.room_number, answer.e_touch = place.room_number, place.e_touch
        answer.address.CopyFrom(_address(place))
    return answer


def _address(place: Place) -> Address:
    return Address(
        postal_code=place.postal_code,
        prefecture=place.prefecture,
        city=place.city,
        street=place.street,
        building=f"{place.building_name} {place.room_number}",
    )


def _room_member(given: Registered) -> pb.RoomMember:
    return pb.RoomMember(
        member_id=given.member_id, kind=_KINDS[given.kind], registered_at=_timestamp(given.registered_at)
    )


def _access_record(given: Registered) -> pb.AccessRecord:
    return pb.AccessRecord(
        member_id=given.member_id,
        kind=_KINDS[given.kind],
        lease_code=given.lease_code,
        registered_at=_timestamp(given.registered_at),
        removed_at=_timestamp(given.removed_at) if given.removed_at else None,
        removed_by=given.removed_by or "",
    )
