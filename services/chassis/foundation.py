"""What every service stands on: clock, keys, database, outbox and commands; and how it is served and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from types import ModuleType
from typing import Any, Self

import grpc
import sqlalchemy as sa
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from nats.aio.client import Client
from temporalio.client import Client as Temporal

from services.chassis import log, rpc, stream
from services.chassis.caller import KeyRing, Signer
from services.chassis.chores import Chore
from services.chassis.db import Database
from services.chassis.events import Outbox, inbox_table, outbox_table
from services.chassis.idempotency import Commands, requests_table
from services.chassis.processes import Process, ProcessStarter
from services.chassis.relay import Relay
from services.chassis.settings import DatabaseSettings, EventSettings, ServiceSettings
from services.chassis.stream import Handlers


class ContextSettings(ServiceSettings, DatabaseSettings, EventSettings):
    """Settings of a service with data of its own."""


def chassis_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table, sa.Table]:
    """The requests, outbox and inbox of a context, in its schema; its first migration makes them."""
    return requests_table(metadata), outbox_table(metadata), inbox_table(metadata)


@dataclass(frozen=True)
class Contract:
    """What a service answers.

    Attributes:
        servicer: has a method of its own for each of the contract.
        add: generated: `add_PointsServiceServicer_to_server`.
        messages: the generated module whose one service it is: `points_pb2`.

    Raises:
        TypeError: the servicer lacks a method, which would be answered by UNIMPLEMENTED for good.
    """

    servicer: object
    add: Callable[[Any, grpc.aio.Server], None]
    messages: ModuleType

    def __post_init__(self) -> None:
        kind = type(self.servicer)
        lacking = [it.name for it in self.service.methods if _is_generated(getattr(kind, it.name, None))]
        if lacking:
            raise TypeError(f"{kind.__name__} lacks {', '.join(lacking)}")

    @property
    def service(self) -> ServiceDescriptor:
        [service] = self.messages.DESCRIPTOR.services_by_name.values()
        found: ServiceDescriptor = service
        return found


def _is_generated(method: object) -> bool:
    return method is None or getattr(method, "__module__", "").endswith("_pb2_grpc")


def _source(event: type[Message]) -> str:
    """The context of `ruum.store.v1.OrderPlaced`."""
    return str(event.DESCRIPTOR.full_name).split(".")[1]


class Foundation:
    """The parts that are alike in every service.

    async with Foundation("points", settings, events_pb2, (requests, outbox, inbox)) as foundation:
        domain = wired(foundation.commands, settings)
        await foundation.serve(Contract(PointsServicer(domain), add_PointsServiceServicer_to_server, points_pb2))

    Args:
        name: the service: `points`.
        settings: of its process.
        events: its generated `events_pb2`, where it publishes any.
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
        )
        self.outbox = Outbox(name, events, outbox)
        key = settings.request_key.get_secret_value().encode()
        self.commands = Commands(self.database, self.outbox, requests, key, self.clock)
        self._publishes = events is not None
        self._nats: Client | None = None
        self._connecting = asyncio.Lock()
        self._open = AsyncExitStack()
        self.closes(self.database.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._open.aclose()

    def closes(self, close: Callable[[], Awaitable[None]]) -> None:
        """Something that the service has open as long as it stands; the last is closed first, whatever happened."""
        self._open.push_async_callback(close)

    def channel(self, address: str, audience: str) -> grpc.aio.Channel:
        """A channel to a neighbour."""
        channel = rpc.channel(address, audience, self.signer)
        self.closes(channel.close)
        return channel

    async def serve(
        self,
        contract: Contract | None = None,
        *,
        hears: Handlers | None = None,
        processes: tuple[Temporal, Mapping[str, Process]] | None = None,
        chores: Sequence[Chore] = (),
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """Serves until SIGTERM or Ctrl-C; starts also while the stream or Temporal is away.

        Args:
            contract: what it answers beside health; nothing where it is not given.
            hears: the events of other contexts that it takes.
            processes: the workflows that its outbox starts, by the names of their lines.
            chores: what it does again and again.
            beside: what else runs as long as it serves; when one ends, so does the service.

        Raises:
            Exception: what ended something that runs beside.
        """
        services = [contract.service] if contract else []
        server = rpc.Server(self.name, self.settings.listen, self.keys, services, self.settings.metrics_listen)
        if contract:
            contract.add(contract.servicer, server.grpc)
        if self._publishes:
            server.beside(self._publish)
        for source, of_one in groupby(sorted(hears or (), key=_source), _source):
            server.beside(partial(self._consume, source, {kind: (hears or {})[kind] for kind in of_one}))
        if processes:
            starter = ProcessStarter(*processes, self.database, self.outbox, self.clock)
            server.beside(Relay(self.database, self.outbox, "process", starter).run)
        for run in (*(chore.repeat for chore in chores), *beside):
            server.beside(run)
        await server.serve()

    async def _publish(self) -> None:
        await Relay(self.database, self.outbox, "event", stream.Publisher(await self._stream())).run()

    async def _consume(self, source: str, handlers: Handlers) -> None:
        client, database, outbox = await self._stream(), self.database, self.outbox
        await stream.Consumer(self.name, source, client, database, outbox, self._inbox, self.clock, handlers).run()

    async def _stream(self) -> Client:
        async with self._connecting:
            if self._nats is None:
                self._nats = await stream.connect(self.settings.nats_url.get_secret_value(), self.name)
                self.closes(self._nats.close)
            return self._nats
