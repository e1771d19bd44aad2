"""What the main of every service lays before it wires its own parts: clock, keys, database, outbox and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import grpc
import sqlalchemy as sa
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from nats.aio.client import Client

from services.chassis import log, rpc, stream
from services.chassis.caller import KeyRing, Signer
from services.chassis.db import Database
from services.chassis.events import Outbox, Relay, inbox_table, outbox_table
from services.chassis.idempotency import Commands, Work, requests_table
from services.chassis.settings import DatabaseSettings, EventSettings, ServiceSettings


class ContextSettings(ServiceSettings, DatabaseSettings, EventSettings):
    """What a service with data of its own is told."""


def chassis_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table, sa.Table]:
    """The requests, outbox and inbox of a context, in its schema; its first migration makes them."""
    return requests_table(metadata), outbox_table(metadata), inbox_table(metadata)


class Foundation:
    """The parts that are alike in every service.

    Args:
        name: the service: `points`.
        settings: what it is told.
        events: its generated `events_pb2`, where it tells of any.
        tables: its requests, outbox and inbox.
    """

    def __init__(
        self,
        name: str,
        settings: ContextSettings,
        events: ModuleType | None,
        tables: tuple[sa.Table, sa.Table, sa.Table],
    ) -> None:
        log.configure(name, settings.log_level)
        requests, outbox, self._inbox = tables
        self.name = name
        self.settings = settings
        self.clock = settings.clock()
        self.signer = Signer(settings.signing_key_file, name, self.clock)
        self.keys = KeyRing(settings.keys_dir, self.clock)
        self.database = Database(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            overflow=settings.database_pool_overflow,
        )
        self.outbox = Outbox(name, events, outbox)
        key = settings.request_key.get_secret_value().encode()
        self.commands = Commands(self.database, self.outbox, requests, key, self.clock)
        self._channels: list[grpc.aio.Channel] = []
        self._nats: Client | None = None
        self._connecting = asyncio.Lock()

    def channel(self, address: str, audience: str) -> grpc.aio.Channel:
        """A channel to a neighbour, closed with the service."""
        channel = rpc.channel(address, audience, self.signer)
        self._channels.append(channel)
        return channel

    def server(self, services: Sequence[ServiceDescriptor]) -> rpc.Server:
        """The gRPC server, with metrics where the settings say."""
        return rpc.Server(self.name, self.settings.listen, self.keys, services, self.settings.metrics_listen)

    async def publish(self, server: rpc.Server) -> None:
        """Publishes what the outbox holds while the server runs, which starts also while the stream is away."""

        async def publish() -> None:
            publisher = stream.Publisher(await self._stream())
            await Relay(self.database, self.outbox, "event", publisher).run()

        server.beside(publish)

    async def consume(
        self,
        server: rpc.Server,
        source: str,
        handlers: Mapping[str, tuple[type[Message], Callable[[Work, Any], Awaitable[None]]]],
    ) -> None:
        """Takes the events of another context while the server runs, which starts also while the stream is away."""

        async def consume() -> None:
            client, database, outbox = await self._stream(), self.database, self.outbox
            await stream.Consumer(self.name, source, client, database, outbox, self._inbox, self.clock, handlers).run()

        server.beside(consume)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        if self._nats is not None:
            await self._nats.close()
        await self.database.close()

    async def _stream(self) -> Client:
        async with self._connecting:
            if self._nats is None:
                self._nats = await stream.connect(self.settings.nats_url.get_secret_value(), self.name)
            return self._nats
