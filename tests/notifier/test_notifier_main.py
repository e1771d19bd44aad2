"""The process as it is deployed."""

from __future__ import annotations

import pytest

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.probes import grpc_serves
from tests.notifier.world import World
from tests.support.own_process import program, refuses_to_start_without


async def test_it_serves_its_health(world: World) -> None:
    assert await grpc_serves(world.process.program.env["RUUM_LISTEN"])


@pytest.mark.rule("QA-16")
async def test_without_a_secret_it_stops_with_its_name(world: World) -> None:
    secret = "RUUM_SMS_SECRET"
    environment = {**world.process.program.env, "RUUM_LISTEN": f"{LOOPBACK}:{free_port()}"}

    await refuses_to_start_without(
        secret, program("notifier", environment, world.process.program.log.with_name(secret))
    )
