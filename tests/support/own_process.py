"""A service as it is deployed: a process of its own, told by its environment and nothing else.

environment = told("points", postgres, nats_server, keys, TEMPORAL_ADDRESS=…)
async with running(program("points", environment, tmp_path / "log")) as process:
    …
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from deploy.local import nats
from deploy.local.child import Child, Program
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from deploy.local.probes import grpc_serves, http_serves
from tests.support.callers import Keys

_PATIENCE = 30


def told(context: str, postgres: Postgres, nats_server: nats.Nats, keys: Keys, **more: str) -> dict[str, str]:
    """What every context is told, and `more`, by the names that its settings have without their `RUUM_`."""
    given = {
        "DEPLOYMENT": "test",
        "LISTEN": f"{LOOPBACK}:{free_port()}",
        "KEYS_DIR": str(keys.public),
        "SIGNING_KEY_FILE": str(keys.private[context]),
        "REQUEST_KEY": "r" * 40,
        "DATABASE_URL": postgres.url(context),
        "NATS_URL": nats_server.url(context),
        "PUBLIC_URL": "https://ruum.example",
        **more,
    }
    return {f"RUUM_{name}": value for name, value in given.items()}


def program(service: str, environment: Mapping[str, str], log: Path) -> Program:
    """What `deploy.local.child.running` starts; it is ready when its health says so."""
    address = environment["RUUM_LISTEN"]
    serves = partial(http_serves, address, "/readyz") if service == "gateway" else partial(grpc_serves, address)
    return Program(service, (sys.executable, "-m", "services.cli", "serve", service), log, serves, env=environment)


async def ends_when_told(process: Child) -> None:
    """Fails when it does not end by itself, and well, once it is sent SIGTERM."""
    await process.stop(grace=_PATIENCE)
    assert await process.wait() == 0, process.explain("did not end well")


async def refuses_to_start_without(variable: str, service: Program) -> None:
    """Fails unless it ends by itself and names what it was not told."""
    environment = {name: value for name, value in service.env.items() if name != variable}
    process = Child(dataclasses.replace(service, env=environment))
    await process.start()
    try:
        assert await asyncio.wait_for(process.wait(), _PATIENCE) != 0
    finally:
        process.kill()
    assert f"{variable} is not set" in service.log.read_text("utf-8").splitlines()
