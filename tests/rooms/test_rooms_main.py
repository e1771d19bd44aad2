"""The service as it is deployed: its own process, told by its environment, on PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local import nats
from deploy.local.child import Program, running
from deploy.local.postgres import Postgres
from ruum.rooms.v1 import events_pb2
from ruum.rooms.v1 import rooms_pb2 as pb
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
from services.chassis import stream
from services.chassis.clock import SystemClock
from services.chassis.db import Database
from services.rooms import csv_import
from tests.rooms.test_lease_csv import csv_of
from tests.rooms.world import MASTER, new_member, request_id
from tests.support.callers import Keys
from tests.support.own_process import ends_when_told, program, refuses_to_start_without, told


@pytest.fixture
def rooms(postgres: Postgres, nats_server: nats.Nats, database: Database, keys: Keys, tmp_path: Path) -> Program:
    return program("rooms", told("rooms", postgres, nats_server, keys, CODE_KEY="c" * 40), tmp_path / "log")


@pytest.fixture
async def channel(rooms: Program) -> AsyncIterator[grpc.aio.Channel]:
    async with running(rooms), grpc.aio.insecure_channel(rooms.env["RUUM_LISTEN"]) as channel:
        yield channel


@pytest.mark.rule("RM-01")
async def test_leases_from_a_csv_become_a_registered_room_that_is_told_to_the_stream(
    channel: grpc.aio.Channel, keys: Keys, nats_server: nats.Nats
) -> None:
    await nats_server.create_stream()
    stub: Any = RoomsServiceStub(channel)
    who, clock = new_member(), SystemClock()
    as_master, as_member = (keys.metadata(caller, "rooms", clock) for caller in (MASTER, who))
    code = request_id()

    (request,) = csv_import.requests(csv_of({"building_code": request_id(), "lease_code": code}))
    imported = await stub.ImportLeases(request, metadata=as_master)
    pair = await stub.IssueCodes(pb.IssueCodesRequest(request_id=request_id(), lease_code=code), metadata=as_master)
    shown = await stub.PreviewRegistration(
        pb.PreviewRegistrationRequest(link=pair.link, client="c"), metadata=as_member
    )
    room = await stub.RegisterRoom(
        pb.RegisterRoomRequest(request_id=request_id(), link=pair.link, client="c", preview_id=shown.preview_id),
        metadata=as_member,
    )

    assert imported.leases_changed == 1
    assert shown.contractor_initials == "山＊ 太＊"
    assert (room.kind, room.room_number) == (pb.MEMBER_KIND_PRIMARY, "203")
    told = await _first_told(nats_server, room.room_id)
    assert (told.header.member_id, told.header.aggregate_id) == (who.name, room.room_id)


async def _first_told(nats_server: nats.Nats, room_id: str) -> events_pb2.RoomRegistered:
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    try:
        pulled = await client.jetstream().pull_subscribe("ruum.rooms.room_registered.v1", stream=stream.STREAM)
        async with asyncio.timeout(20):
            while True:
                for message in await pulled.fetch(10, timeout=15):
                    event = events_pb2.RoomRegistered.FromString(message.data)
                    if event.room_id == room_id:
                        return event
    finally:
        await client.close()


async def test_it_ends_when_it_is_told_to(rooms: Program) -> None:
    async with running(rooms) as process:
        await ends_when_told(process)


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("secret", ["RUUM_REQUEST_KEY", "RUUM_CODE_KEY"])
async def test_a_missing_secret_stops_the_start_with_its_name(rooms: Program, secret: str) -> None:
    await refuses_to_start_without(secret, rooms)
