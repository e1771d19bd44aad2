from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local import child, nats
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from ruum.identity.v1 import identity_pb2
from ruum.identity.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import add_StoreServiceServicer_to_server
from services.chassis import stream
from services.chassis.clock import SystemClock
from services.chassis.db import Database
from tests.notifier.world import PORTAL, Identity, Store, World
from tests.sandbox.harness import BEARERS, Sandbox, receiving
from tests.support.callers import Keys
from tests.support.contexts import migrated, served
from tests.support.own_process import program, told

IDENTITY = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"]
STORE = store_pb2.DESCRIPTOR.services_by_name["StoreService"]


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "notifier") as database:
        yield database


@pytest.fixture(scope="session")
async def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with receiving() as receiver:
        sandbox = Sandbox(tmp_path_factory.mktemp("notifier-sandbox"), receiver)
        await sandbox.start()
        yield sandbox
        await sandbox.close()


@pytest.fixture(scope="session")
async def environment(
    postgres: Postgres,
    nats_server: nats.Nats,
    stand_ins: Sandbox,
    keys: Keys,
) -> dict[str, str]:
    await nats_server.create_stream()
    own = {
        "PUBLIC_URL": PORTAL,
        "SMTP_HOST": LOOPBACK,
        "SMTP_PORT": str(stand_ins.smtp_port),
        "SMS_URL": f"{stand_ins.url}/sms",
        "SMS_SECRET": BEARERS["sms"],
        "SENDING_LEASE": "PT2S",
        "SENDING_PATIENCE": "PT1S",
        "RETRY_FIRST": "PT0.2S",
        "RETRY_LONGEST": "PT0.5S",
    }
    return told("notifier", postgres, nats_server, keys, **own)


@pytest.fixture(scope="session")
async def running(
    environment: dict[str, str],
    database: Database,
    nats_server: nats.Nats,
    stand_ins: Sandbox,
    keys: Keys,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    identity, store = Identity(), Store()  # type: ignore[abstract]  # the notifier calls no other methods
    knows = partial(add_IdentityServiceServicer_to_server, identity)
    sells = partial(add_StoreServiceServicer_to_server, store)
    ring = keys.ring(SystemClock())
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    log: Path = tmp_path_factory.mktemp("notifier") / "log"
    async with served("identity", ring, [IDENTITY], knows) as people, served("store", ring, [STORE], sells) as shop:
        neighbours = {"RUUM_IDENTITY_ADDRESS": people.address, "RUUM_STORE_ADDRESS": shop.address}
        async with child.running(program("notifier", environment | neighbours, log)) as process:
            yield World(process, identity, store, stand_ins, database, client)
    await client.close()


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    """Everything runs and nobody is away."""
    yield running
    running.identity.away = running.identity.cannot_close = running.store.away = False
    await running.sandbox.press("faults/smtp", "PUT", mode="accept")
    await running.sandbox.fault("sms")
