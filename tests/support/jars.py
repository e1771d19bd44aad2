"""The smallest context there is, on real tables of its own: jars with coins, for tests of the chassis."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local.postgres import Postgres
from ruum.points.v1 import events_pb2
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.errors import Kind, RuumError
from services.chassis.events import Event, Outbox, ProcessLine, message
from services.chassis.foundation import chassis_tables
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from tests.support.wire import Wire

KEY = b"k" * 32
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class PointsGranted(Event):
    """Told of every coin; its name is that of a message that exists."""

    order_id: str
    points: int


class PutCoins(Command):
    jar: str
    coins: int


class TakeCoins(Command):
    jar: str
    coins: int


class JarView(BaseModel):
    jar: str
    coins: int
    secret: str = "marzipan-and-quince"
    put_at: datetime | None = None


class JarShort(RuumError):
    kind = Kind.REFUSED
    code = "test-jar-short"


async def nothing(tx: AsyncSession) -> None:
    """What happens in the middle of a verb, unless a test wants something to happen."""


@dataclass(frozen=True)
class Tables:
    requests: sa.Table
    outbox: sa.Table
    inbox: sa.Table
    jars: sa.Table


class Jars(Verbs):
    """Puts coins into jars and takes them out.

    Attributes:
        meanwhile: is awaited in the middle of each verb, after its effect.
        runs: how many times a verb got to its middle.
    """

    def __init__(self, postgres: Postgres, database: Database, tables: Tables, key: bytes = KEY) -> None:
        self.postgres = postgres
        self.database = database
        self.tables = tables
        self.outbox = Outbox("points", events_pb2, tables.outbox)
        self.clock = FixedClock(NOW)
        self.commands = Commands(database, self.outbox, tables.requests, key, self.clock)
        self.meanwhile: Callable[[AsyncSession], Awaitable[None]] = nothing
        self.runs = 0

    def elsewhere(self, key: bytes = KEY) -> Jars:
        """The same jars, as another process sees them."""
        return Jars(self.postgres, self.database, self.tables, key)

    @asynccontextmanager
    async def over(self, wire: Wire) -> AsyncIterator[Jars]:
        """The same jars, reached over a wire that a test cuts."""
        database = Database(_url(self.postgres).replace(f":{self.postgres.port}/", f":{wire.port}/"))
        try:
            yield Jars(self.postgres, database, self.tables)
        finally:
            await database.close()

    @command
    async def put(self, work: Work, asked: PutCoins) -> JarView:
        j = self.tables.jars
        more = insert(j).values(id=asked.jar, coins=asked.coins)
        put = more.on_conflict_do_update(index_elements=[j.c.id], set_={"coins": j.c.coins + more.excluded.coins})
        return await self._told(work, asked.jar, (await work.tx.execute(put.returning(j.c.coins))).scalar_one())

    @command
    async def take(self, work: Work, asked: TakeCoins) -> JarView:
        j = self.tables.jars
        enough = (j.c.id == asked.jar) & (j.c.coins >= asked.coins)
        taken = sa.update(j).where(enough).values(coins=j.c.coins - asked.coins).returning(j.c.coins)
        left = (await work.tx.execute(taken)).scalar_one_or_none()
        if left is None:
            raise JarShort
        return await self._told(work, asked.jar, left)

    async def _told(self, work: Work, jar: str, coins: int) -> JarView:
        self.runs += 1
        work.tell(PointsGranted(aggregate_id=jar, order_id=jar, points=coins))
        work.run(ProcessLine(process="jar", key=jar, arguments={"coins": coins}))
        await self.meanwhile(work.tx)
        return JarView(jar=jar, coins=coins, put_at=work.now)

    async def coins(self, jar: str) -> int | None:
        j = self.tables.jars.c
        async with self.database.reading() as session:
            return (await session.execute(sa.select(j.coins).where(j.id == jar))).scalar()

    async def outbox_rows(self, kind: str = "event") -> list[Any]:
        t = self.outbox.table
        async with self.database.reading() as session:
            found = await session.execute(sa.select(t).where(t.c.kind == kind).order_by(t.c.position))
            return list(found.mappings())

    async def told(self, jar: str) -> list[tuple[int, int]]:
        """Version and coins of what was told of a jar, in the order of the outbox."""
        rows = [row for row in await self.outbox_rows() if row["aggregate_id"] == jar]
        events = [events_pb2.PointsGranted.FromString(message(row)) for row in rows]
        return [(event.header.aggregate_version, event.points) for event in events]


def new_jar() -> str:
    return f"jar_{uuid.uuid4().hex[:26]}"


@asynccontextmanager
async def jars_in(postgres: Postgres) -> AsyncIterator[Jars]:
    """Jars in a new schema."""
    schema = f"jars_{uuid.uuid4().hex}"
    metadata = sa.MetaData(schema=schema)
    jars = sa.Table(
        "jars",
        metadata,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("coins", sa.BigInteger, sa.CheckConstraint("coins >= 0", name="jars_coins"), nullable=False),
    )
    tables = Tables(*chassis_tables(metadata), jars)
    database = Database(_url(postgres))
    async with database.engine.begin() as connection:
        await connection.execute(sa.schema.CreateSchema(schema))
        await connection.run_sync(metadata.create_all)
    try:
        yield Jars(postgres, database, tables)
    finally:
        await database.close()


def _url(postgres: Postgres) -> str:
    """The administrator's, since a schema of one's own is made and sessions are ended."""
    return postgres.admin_url.replace("postgresql:", "postgresql+psycopg:")
