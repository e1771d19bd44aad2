from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc
import pytest

from ruum.common.v1.common_pb2 import Address, Day, Page
from ruum.rooms.v1 import rooms_pb2 as pb
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub, add_RoomsServiceServicer_to_server
from services.chassis.caller import Caller
from services.chassis.errors import Kind, RemoteError
from services.chassis.ids import new_id
from services.rooms.members.models import Action, MemberKind
from services.rooms.servicer import RoomsServicer
from services.texts import LANGUAGES, Texts
from tests.rooms.world import DESK, MASTER, World, new_member, request_id
from tests.support.callers import Keys, refused, service
from tests.support.contexts import served

CONTRACT = pb.DESCRIPTOR.services_by_name["RoomsService"]
SPAREKEY, WORKER = service("sparekey"), service("worker")
SAMPLES: dict[str, Any] = {
    "ImportLeases": pb.ImportLeasesRequest(request_id="request-1"),
    "IssueCodes": pb.IssueCodesRequest(request_id="request-1", lease_code="L"),
    "PreviewRegistration": pb.PreviewRegistrationRequest(client="c"),
    "RegisterRoom": pb.RegisterRoomRequest(request_id="request-1", client="c", preview_id="p"),
    "ListMyRooms": pb.ListMyRoomsRequest(),
    "GetMyRoom": pb.GetMyRoomRequest(room_id=new_id("room")),
    "ListRoomMembers": pb.ListRoomMembersRequest(room_id=new_id("room")),
    "RemoveMembers": pb.RemoveMembersRequest(
        request_id="request-1", room_id=new_id("room"), member_ids=[new_id("mem")]
    ),
    "SettleConflict": pb.SettleConflictRequest(request_id="request-1", conflict_id=new_id("cnf"), reason="r"),
    "CheckPermission": pb.CheckPermissionRequest(
        member_id=new_id("mem"), room_id=new_id("room"), action=pb.ACTION_INQUIRE
    ),
    "ListAccessHistory": pb.ListAccessHistoryRequest(room_id=new_id("room")),
    "GetContractor": pb.GetContractorRequest(room_id=new_id("room")),
}
# By hand from the rules: who may ask for what at all (PR-11). Everybody else is refused, whatever they ask.
OPEN_TO = {
    "ImportLeases": {"contract-master"},
    "IssueCodes": {"contract-master", "operator"},
    "PreviewRegistration": {"member"},
    "RegisterRoom": {"member"},
    "ListMyRooms": {"member"},
    "GetMyRoom": {"member"},
    "ListRoomMembers": {"member"},
    "RemoveMembers": {"member", "operator"},
    "SettleConflict": {"operator"},
    "CheckPermission": {"store", "points", "sparekey", "worker"},
    "ListAccessHistory": {"operator"},
    "GetContractor": {"sparekey", "notifier"},
}
CALLERS = {
    "member": new_member(),
    "operator": DESK,
    **{
        name: service(name)
        for name in ("store", "points", "sparekey", "worker", "notifier", "gateway", "identity", "contract-master")
    },
}


class Desk:
    """The service on a real port, called by whoever one likes."""

    def __init__(self, world: World, keys: Keys, channel: grpc.aio.Channel) -> None:
        self.world = world
        self._keys = keys
        self._stub: Any = RoomsServiceStub(channel)

    def call(self, who: Caller | None, method: str, request: Any) -> Any:
        metadata = self._keys.metadata(who, "rooms", self.world.clock) if who else ()
        return getattr(self._stub, method)(request, metadata=metadata)


@pytest.fixture
async def desk(world: World, keys: Keys) -> AsyncIterator[Desk]:
    servicer = RoomsServicer(world.domain)
    ring = keys.ring(world.clock)
    async with served(
        "rooms", ring, [CONTRACT], lambda server: add_RoomsServiceServicer_to_server(servicer, server)
    ) as running:
        yield Desk(world, keys, running.channel)


def building(**more: Any) -> pb.Building:
    stated: dict[str, Any] = {
        "building_code": request_id(),
        "version": 1,
        "name": "サンハイツ",
        "address": Address(postal_code="108-0075", prefecture="東京都", city="港区", street="港南2-16-1"),
        "e_touch": True,
        "contact_phone": "0120-000-000",
    }
    return pb.Building(**(stated | more))


def lease(building_code: str, **more: Any) -> pb.Lease:
    stated: dict[str, Any] = {
        "lease_code": request_id(),
        "version": 1,
        "building_code": building_code,
        "room_number": "203",
        "contractor_name": "山田 太郎",
        "starts_on": Day(iso="2026-04-01"),
        "ends_on": Day(iso="2027-03-31"),
    }
    return pb.Lease(**(stated | more))


@pytest.mark.rule("PR-11")
def test_each_method_has_its_sample_and_its_callers() -> None:
    methods = {method.name for method in CONTRACT.methods}

    assert set(SAMPLES) == set(OPEN_TO) == methods


@pytest.mark.rule("PR-11")
@pytest.mark.parametrize("method", SAMPLES)
async def test_a_method_is_open_to_its_callers_and_to_nobody_else(desk: Desk, method: str) -> None:
    for name, who in CALLERS.items():
        try:
            await desk.call(who, method, SAMPLES[method])
            found = "answered"
        except grpc.aio.AioRpcError as failed:
            found = failed.code().name
        assert (found != "PERMISSION_DENIED") == (name in OPEN_TO[method]), (name, found)
        assert found not in {"INTERNAL", "UNKNOWN"}
    assert (await refused(desk.call(None, method, SAMPLES[method]))).kind is Kind.UNAUTHENTICATED


@pytest.mark.rule("RM-01")
async def test_the_story_of_a_room_over_the_wire(desk: Desk) -> None:
    who, house = new_member(), building()
    let = lease(house.building_code, corporate=True, contractor_name="株式会社サンプル")
    imported = await desk.call(
        MASTER,
        "ImportLeases",
        pb.ImportLeasesRequest(request_id=request_id(), buildings=[house], leases=[let]),
    )
    assert (imported.buildings_changed, imported.leases_changed) == (1, 1)

    pair = await desk.call(
        MASTER, "IssueCodes", pb.IssueCodesRequest(request_id=request_id(), lease_code=let.lease_code)
    )
    assert re.fullmatch(r"[2-9A-Y]{4}-[2-9A-Y]{4}", pair.code1)
    assert pair.qr_svg.startswith("<svg")
    shown = await desk.call(who, "PreviewRegistration", pb.PreviewRegistrationRequest(link=pair.link, client="c"))
    assert (shown.building_name, shown.room_number, shown.contractor_initials, shown.kind) == (
        "サンハイツ",
        "203",
        "株式会社サ＊",
        pb.MEMBER_KIND_CORPORATE,
    )
    asked = pb.RegisterRoomRequest(
        request_id=request_id(), code1=pair.code1, code2=pair.code2, client="c", preview_id=shown.preview_id
    )
    room = await desk.call(who, "RegisterRoom", asked)
    assert await desk.call(who, "RegisterRoom", asked) == room
    assert room == pb.Membership(
        room_id=room.room_id,
        kind=pb.MEMBER_KIND_CORPORATE,
        building_name="サンハイツ",
        building_code=house.building_code,
        room_number="203",
        address=Address(
            postal_code="108-0075", prefecture="東京都", city="港区", street="港南2-16-1", building="サンハイツ 203"
        ),
        e_touch=True,
        registered_at=room.registered_at,
        actions=[action for action in pb.Action.values() if action],
        lease_starts_on=Day(iso="2026-04-01"),
        lease_ends_on=Day(iso="2027-03-31"),
        contact_phone="0120-000-000",
    )
    assert room.registered_at.ToDatetime(UTC) == desk.world.clock.now()

    assert (await desk.call(who, "ListMyRooms", pb.ListMyRoomsRequest())).rooms == [room]
    assert await desk.call(who, "GetMyRoom", pb.GetMyRoomRequest(room_id=room.room_id)) == room
    in_room = pb.GetContractorRequest(room_id=room.room_id)
    assert (await desk.call(SPAREKEY, "GetContractor", in_room)).member_id == who.name
    household = await desk.call(who, "ListRoomMembers", pb.ListRoomMembersRequest(room_id=room.room_id))
    assert [(one.member_id, one.kind) for one in household.members] == [(who.name, pb.MEMBER_KIND_CORPORATE)]

    leaving = pb.RemoveMembersRequest(request_id=request_id(), room_id=room.room_id, member_ids=[who.name])
    for _ in range(2):
        assert (await desk.call(who, "RemoveMembers", leaving)).removed_member_ids == [who.name]
    assert (await desk.call(SPAREKEY, "GetContractor", in_room)).member_id == ""
    history = await desk.call(DESK, "ListAccessHistory", pb.ListAccessHistoryRequest(room_id=room.room_id))
    (record,) = history.records
    assert (record.member_id, record.lease_code, record.removed_by) == (who.name, let.lease_code, f"member:{who.name}")


@pytest.mark.rule("RM-05")
async def test_a_permission_says_all_that_a_service_needs_to_act(desk: Desk) -> None:
    who, place = await desk.world.move_in()
    asked = pb.CheckPermissionRequest(member_id=who.name, room_id=place.room_id, action=pb.ACTION_ORDER_KEYS)

    given = await desk.call(SPAREKEY, "CheckPermission", asked)

    assert given.allowed
    assert (given.refusal, given.kind) == ("", pb.MEMBER_KIND_PRIMARY)
    assert (given.lease_id, given.lease_version) == (place.lease_id, 1)
    assert given.valid_until.ToDatetime(UTC) == desk.world.clock.now() + timedelta(seconds=60)
    assert (given.building_code, given.building_name) == (place.building_code, "サンハイツ")
    assert (given.room_number, given.e_touch) == ("203", True)
    assert (given.address.postal_code, given.address.street) == ("108-0075", "港南2-16-1")


@pytest.mark.rule("RM-22")
async def test_a_refusal_for_an_ended_lease_tells_nobody_s_address(desk: Desk) -> None:
    who, place = await desk.world.move_in(ends_on=date(2026, 4, 9) + timedelta(days=1))
    desk.world.clock.advance(timedelta(days=1))
    asked = pb.CheckPermissionRequest(member_id=who.name, room_id=place.room_id, action=pb.ACTION_ORDER_KEYS)

    given = await desk.call(SPAREKEY, "CheckPermission", asked)

    assert (given.allowed, given.refusal) == (False, "lease-ended")
    assert not given.HasField("address")
    assert given.building_name == ""


@pytest.mark.rule("PR-05")
async def test_only_the_worker_states_another_time(desk: Desk) -> None:
    who, place = await desk.world.move_in(ends_on=date(2026, 4, 20))
    asked = pb.CheckPermissionRequest(member_id=who.name, room_id=place.room_id, action=pb.ACTION_ORDER_KEYS)
    asked.as_of.FromDatetime(datetime(2026, 4, 21, tzinfo=UTC))

    given = await desk.call(WORKER, "CheckPermission", asked)

    assert given.refusal == "lease-ended"
    assert (await refused(desk.call(SPAREKEY, "CheckPermission", asked))).code == "as-of-not-allowed"


@pytest.mark.rule("PR-15")
async def test_another_person_s_room_is_not_found_over_the_wire(desk: Desk) -> None:
    _, place = await desk.world.move_in()
    stranger = new_member()
    requests = {
        "GetMyRoom": pb.GetMyRoomRequest(room_id=place.room_id),
        "ListRoomMembers": pb.ListRoomMembersRequest(room_id=place.room_id),
        "RemoveMembers": pb.RemoveMembersRequest(
            request_id=request_id(), room_id=place.room_id, member_ids=[stranger.name]
        ),
    }

    for method, request in requests.items():
        assert (await refused(desk.call(stranger, method, request))).kind is Kind.NOT_FOUND


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        (lease("B", starts_on=Day(iso="2026-02-30")), "leases[0].starts_on", "day-not-in-calendar"),
        (lease("B", ends_on=Day(iso="2026-13-01")), "leases[0].ends_on", "day-not-in-calendar"),
        (lease("B", contractor_name=""), "leases[0].contractor_name", "field-string-min-len"),
        (lease("nowhere"), "leases[0].building_code", "building-unknown"),
        (building(address=Address(city="港区")), "buildings[0].address", "building-address-incomplete"),
        (building(version=0), "buildings[0].version", "field-int64-gt"),
    ],
)
async def test_a_wrong_field_of_an_import_is_named_and_explained(
    desk: Desk, given: pb.Lease | pb.Building, field: str, code: str
) -> None:
    kind = "leases" if isinstance(given, pb.Lease) else "buildings"
    stated: dict[str, Any] = {kind: [given]}
    request = pb.ImportLeasesRequest(request_id=request_id(), **stated)

    failure = await refused(desk.call(MASTER, "ImportLeases", request))

    assert isinstance(failure, RemoteError)
    assert failure.kind is Kind.INVALID
    (violation,) = failure.violations
    assert (violation.field, violation.code) == (field, code)
    texts = Texts.load()
    assert len({texts.render(code, language, **violation.params) for language in LANGUAGES}) == 3


@pytest.mark.rule("RM-03")
async def test_whoever_guesses_is_told_when_to_try_again(desk: Desk) -> None:
    who = new_member()
    guess = pb.PreviewRegistrationRequest(code1="ACEF-2345", code2="HJKM-789W", client=request_id())
    for _ in range(10):
        assert (await refused(desk.call(who, "PreviewRegistration", guess))).code == "registration-codes-wrong"

    failure = await refused(desk.call(who, "PreviewRegistration", guess))

    assert (failure.kind, failure.code) == (Kind.TOO_MANY, "registration-tries-used-up")
    assert failure.retry_after == timedelta(hours=1)


@pytest.mark.rule("PR-12")
async def test_dk_select_is_refused_with_its_explanation_in_each_language(desk: Desk) -> None:
    asked = pb.PreviewRegistrationRequest(code1="DK-1234-5678", code2="1234", client="c")

    failure = await refused(desk.call(new_member(), "PreviewRegistration", asked))

    texts = Texts.load()
    said = [texts.render(failure.code, language, **failure.params) for language in LANGUAGES]
    assert "2022年9月26日" in said[0]
    assert "September 26, 2022" in said[1]
    assert "2022年9月26日" in said[2]


@pytest.mark.rule("RM-06")
async def test_an_operator_settles_a_clash_over_the_wire(desk: Desk) -> None:
    pair, claimant = await desk.world.issue(await desk.world.let()), new_member()
    place = await desk.world.register(new_member(), pair)
    shown = await desk.call(claimant, "PreviewRegistration", pb.PreviewRegistrationRequest(link=pair.link, client="c"))
    failure = await refused(
        desk.call(
            claimant,
            "RegisterRoom",
            pb.RegisterRoomRequest(request_id=request_id(), link=pair.link, client="c", preview_id=shown.preview_id),
        )
    )
    assert (failure.kind, failure.code) == (Kind.REFUSED, "contractor-seat-taken")

    settling = pb.SettleConflictRequest(
        request_id=request_id(),
        conflict_id=str(failure.params["conflict_id"]),
        grant_to_claimant=True,
        reason="identity-checked",
    )
    await desk.call(DESK, "SettleConflict", settling)

    assert await desk.world.members.contractor(place.room_id) == claimant.name


async def test_history_is_asked_for_an_instant(desk: Desk) -> None:
    who, place = await desk.world.move_in()
    asked = pb.ListAccessHistoryRequest(room_id=place.room_id, page=Page(size=5))
    asked.at.FromDatetime(desk.world.clock.now())

    now = await desk.call(DESK, "ListAccessHistory", asked)
    asked.at.FromDatetime(desk.world.clock.now() - timedelta(seconds=1))
    before = await desk.call(DESK, "ListAccessHistory", asked)

    assert [record.member_id for record in now.records] == [who.name]
    assert not now.records[0].HasField("removed_at")
    assert before.records == []


def test_the_contract_knows_every_kind_and_action() -> None:
    assert {name.removeprefix("ACTION_") for name in pb.Action.keys()} == {  # noqa: SIM118  # an enum of protobuf
        "UNSPECIFIED",
        *(action.name for action in Action),
    }
    assert {name.removeprefix("MEMBER_KIND_") for name in pb.MemberKind.keys()} == {  # noqa: SIM118  # as above
        "UNSPECIFIED",
        "GENERAL",
        *(kind.name for kind in MemberKind),
    }
