"""The service as it is deployed: its own process, told by its environment, on PostgreSQL and NATS, Temporal away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local import nats
from deploy.local.child import Program, running
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from ruum.common.v1.common_pb2 import Day
from ruum.points.v1 import points_pb2 as pb
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from services.chassis.clock import SystemClock
from services.chassis.db import Database
from services.chassis.jst import jst_date
from tests.points.world import a_member, request
from tests.support.callers import Keys, member, service
from tests.support.own_process import ends_when_told, program, refuses_to_start_without, told


@pytest.fixture
async def points(postgres: Postgres, nats_server: nats.Nats, database: Database, keys: Keys, tmp_path: Path) -> Program:
    await nats_server.create_stream()
    away = f"{LOOPBACK}:{free_port()}"
    return program("points", told("points", postgres, nats_server, keys, TEMPORAL_ADDRESS=away), tmp_path / "log")


async def test_points_are_granted_and_seen_and_it_ends_when_it_is_told_to(points: Program, keys: Keys) -> None:
    mine, clock = a_member(), SystemClock()
    until = Day(iso=(jst_date(clock.now()) + timedelta(days=30)).isoformat())
    grant = pb.GrantLimitedRequest(
        request_id=request(), member_id=mine, campaign_id="spring", points=70, last_day=until
    )

    async with running(points) as process:
        async with grpc.aio.insecure_channel(points.env["RUUM_LISTEN"]) as channel:
            stub: Any = PointsServiceStub(channel)
            await stub.GrantLimited(grant, metadata=keys.metadata(service("campaign-desk"), "points", clock))
            asked = pb.GetBalanceRequest()
            balance = await stub.GetBalance(asked, metadata=keys.metadata(member(mine), "points", clock))
        await ends_when_told(process)

    assert (balance.available, balance.limited) == (70, 70)


@pytest.mark.rule("QA-16")
async def test_a_missing_secret_stops_the_start_with_its_name(points: Program) -> None:
    await refuses_to_start_without("RUUM_REQUEST_KEY", points)
