"""The service as it is deployed: its own process, told by its environment, on PostgreSQL and NATS."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local import nats
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serves
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

SECRETS = {"RUUM_REQUEST_KEY": "r" * 40, "RUUM_CODE_KEY": "c" * 40}


@contextmanager
def process(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "services.cli", "serve", "rooms"]
    told = {name: value for name, value in os.environ.items() if not name.startswith("RUUM_")}
    with log.open("wb") as output:
        started = subprocess.Popen(command, env=told | environment, stdout=output, stderr=output)
        try:
            yield started
        finally:
            started.kill()
            started.wait()


@pytest.fixture
def environment(postgres: Postgres, nats_server: nats.Nats, database: Database, keys: Keys) -> dict[str, str]:
    return {
        "RUUM_DEPLOYMENT": "test",
        "RUUM_LISTEN": f"{LOOPBACK}:{free_port()}",
        "RUUM_KEYS_DIR": str(keys.public),
        "RUUM_SIGNING_KEY_FILE": str(keys.private["rooms"]),
        "RUUM_DATABASE_URL": postgres.url("rooms"),
        "RUUM_NATS_URL": nats_server.url("rooms"),
        "RUUM_PUBLIC_URL": "https://ruum.example",
        **SECRETS,
    }


@pytest.fixture
async def channel(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    with process(environment, tmp_path / "log"):
        await _serving(environment["RUUM_LISTEN"], tmp_path / "log")
        async with grpc.aio.insecure_channel(environment["RUUM_LISTEN"]) as channel:
            yield channel


async def _serving(address: str, log: Path) -> None:
    for _ in range(300):
        if await grpc_serves(address):
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"it does not serve: see {log}")


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


async def test_it_ends_when_it_is_told_to(environment: dict[str, str], tmp_path: Path) -> None:
    with process(environment, tmp_path / "log") as running:
        await _serving(environment["RUUM_LISTEN"], tmp_path / "log")
        running.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(running.wait, 20) == 0


@pytest.mark.rule("QA-16")
@pytest.mark.parametrize("secret", SECRETS)
def test_a_missing_secret_stops_the_start_with_its_name(
    environment: dict[str, str], tmp_path: Path, secret: str
) -> None:
    with process({name: value for name, value in environment.items() if name != secret}, tmp_path / "log") as running:
        assert running.wait(30) != 0

    assert f"{secret} is not set" in (tmp_path / "log").read_text()
