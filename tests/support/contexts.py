"""A context's schema in a real database, and its service on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
from google.protobuf.descriptor import ServiceDescriptor
from psycopg import sql

from deploy.local.ports import LOOPBACK
from deploy.local.postgres import Postgres
from services.chassis import migrate
from services.chassis.caller import KeyRing
from services.chassis.db import Database
from services.chassis.rpc import Server

_migrated: set[tuple[int, str]] = set()


@asynccontextmanager
async def migrated(postgres: Postgres, context: str) -> AsyncIterator[Database]:
    """The database as the service of `context` sees it, its schema at the newest version.

    @pytest.fixture(scope="session")
    async def database(postgres: Postgres) -> AsyncIterator[Database]:
        async with migrated(postgres, "points") as database:
            yield database
    """
    if (postgres.port, context) not in _migrated:
        await asyncio.to_thread(migrate.upgrade, context, postgres.url(f"{context}_owner"))
        _migrated.add((postgres.port, context))
    database = Database(postgres.url(context))
    try:
        yield database
    finally:
        await database.close()


async def empty(postgres: Postgres, context: str) -> None:
    """Empties all tables of a context. Tests that make ids of their own need it only where they count everything."""
    async with await psycopg.AsyncConnection.connect(postgres.dsn(f"{context}_owner")) as owner:
        found = await owner.execute(
            "select tablename from pg_tables where schemaname = %s and tablename <> 'schema_version'", [context]
        )
        tables = [sql.Identifier(context, str(name)) for (name,) in await found.fetchall()]
        if tables:
            await owner.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(tables)))


@dataclass(frozen=True)
class Served:
    """A service that runs: where, and a channel to it that adds no token."""

    server: Server
    address: str
    channel: grpc.aio.Channel


@asynccontextmanager
async def served(
    name: str, keys: KeyRing, contracts: list[ServiceDescriptor], *add: Callable[[Any], None]
) -> AsyncIterator[Served]:
    """Serves servicers behind the door of the chassis.

    Args:
        name: the service: `points`; also the audience that tokens must name.
        keys: what it checks tokens with.
        contracts: `[points_pb2.DESCRIPTOR.services_by_name["PointsService"]]`.
        add: adds a servicer: `lambda server: add_PointsServiceServicer_to_server(servicer, server)`.
    """
    server = Server(name, f"{LOOPBACK}:0", keys, contracts)
    for each in add:
        each(server.grpc)
    await server.grpc.start()
    address = f"{LOOPBACK}:{server.port}"
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Served(server, address, channel)
    finally:
        await server.grpc.stop(None)
