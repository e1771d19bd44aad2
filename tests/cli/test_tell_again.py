"""The stream was lost: `ruum events tell-again` on servers of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local import nats
from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from ruum.points.v1 import events_pb2
from services.chassis import stream
from services.chassis.clock import SystemClock
from services.chassis.db import Database
from services.chassis.events import Outbox, outbox_table
from services.chassis.ids import new_id
from services.chassis.relay import Relay
from tests.support.contexts import migrated
from tests.support.jars import PointsGranted


@dataclass
class Telling:
    """A context that tells, as its service does."""

    postgres: Postgres
    server: nats.Nats
    database: Database
    outbox: Outbox

    async def tell(self, aggregate: str, times: int) -> None:
        for turn in range(times):
            event = PointsGranted(aggregate_id=aggregate, order_id=new_id("ord"), points=turn + 1)
            await self.database.transact(partial(self._write, event))

    async def _write(self, event: PointsGranted, tx: AsyncSession) -> None:
        await self.outbox.write(tx, [event], [], SystemClock().now())

    def told(self) -> dict[str, str]:
        url, stream_url = self.postgres.url("points"), self.server.url("points")
        return {"RUUM_DATABASE_URL": url, "RUUM_NATS_URL": stream_url}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        client = await stream.connect(self.server.url("points"), "points")
        relay = asyncio.ensure_future(Relay(self.database, self.outbox, "event", stream.Publisher(client)).run())
        try:
            yield client
        finally:
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay
            await client.close()


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[Telling]:
    passwords = {name: secrets.token_hex(8) for name in (ADMIN, *ROLES, *nats.USERS)}
    postgres = Postgres(tmp_path / "pg", free_port(), passwords, log=tmp_path / "pg.log", durable=False)
    server = nats.Nats(
        tmp_path / "nats", free_port(), {user: passwords[user] for user in nats.USERS}, log=tmp_path / "nats.log"
    )
    async with running(postgres.program()), running(server.program()):
        await create_contexts(postgres.admin_url, passwords)
        await server.create_stream()
        async with migrated(postgres, "points") as database:
            outbox = Outbox("points", events_pb2, outbox_table(sa.MetaData(schema="points")))
            yield Telling(postgres, server, database, outbox)


async def tell_again(told: dict[str, str]) -> tuple[int, str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUUM_")}
    command = [sys.executable, "-m", "services.cli", "events", "tell-again", "points"]
    process = await asyncio.create_subprocess_exec(
        *command, env=inherited | told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def streamed(client: Client, count: int) -> list[tuple[str, int]]:
    """Whom the stream's first events are of, with their versions; they are read as the gateway reads."""
    found: list[tuple[str, int]] = []
    pulled = await client.jetstream().pull_subscribe("ruum.points.>", durable="points-points", stream=stream.STREAM)
    async with asyncio.timeout(20):
        while len(found) < count:
            for message in await pulled.fetch(count - len(found), timeout=10):
                header = events_pb2.PointsGranted.FromString(message.data).header
                found.append((header.aggregate_id, header.aggregate_version))
                await message.ack()
    return found


@pytest.mark.rule("OP-10")
async def test_a_deleted_stream_is_made_anew_with_everything_that_was_told(telling: Telling) -> None:
    first, second = new_id("mem"), new_id("mem")
    async with telling.serving() as points:
        await telling.tell(first, 3)
        await telling.tell(second, 2)
        assert len(await streamed(points, 5)) == 5
        admin = await stream.connect(telling.server.url(nats.ADMIN), "admin")
        await admin.jetstream().delete_stream(stream.STREAM)
        with pytest.raises(NotFoundError):
            await points.jetstream().stream_info(stream.STREAM)

        code, said, _ = await tell_again(telling.told())
        await telling.tell(first, 1)

        assert (code, said) == (0, "points hands on 5 events again\n")
        again = await streamed(points, 6)
        assert [version for of, version in again if of == first] == [1, 2, 3, 4]
        assert [version for of, version in again if of == second] == [1, 2]
        await admin.close()


async def test_a_stream_that_cannot_be_reached_is_said_so_and_nothing_is_told(telling: Telling) -> None:
    nowhere = f"nats://points:{secrets.token_hex(8)}@127.0.0.1:{free_port()}"
    async with telling.serving():
        await telling.tell(new_id("mem"), 1)

        code, said, why = await tell_again(telling.told() | {"RUUM_NATS_URL": nowhere})

    assert (code, said) == (1, "")
    assert "[service-unavailable]" in why
    assert nowhere not in why


@pytest.mark.rule("QA-16")
async def test_what_it_needs_is_named() -> None:
    code, _, why = await tell_again({})

    assert code == 1
    assert sorted(why.splitlines()) == ["RUUM_DATABASE_URL is not set", "RUUM_NATS_URL is not set"]
