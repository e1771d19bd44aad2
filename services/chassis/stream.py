"""JetStream: publishing what the outbox holds, and consuming each aggregate's events in order, each once (OP-10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import nats
import sqlalchemy as sa
import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig
from nats.js.errors import APIError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ruum.common.v1.common_pb2 import AnyEvent
from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import RuumError, Unavailable
from services.chassis.events import Outbox
from services.chassis.idempotency import Work

_log = structlog.get_logger()

STREAM = "ruum"
_ACK_WAIT_SECONDS = 30
_PULL = 50
_LATER_SECONDS = 0.2


async def connect(url: str, name: str) -> Client:
    """A connection that comes back by itself.

    Raises:
        Unavailable: the server cannot be reached at the start.
    """

    async def told(failure: Exception) -> None:
        _log.warning("stream connection", kind=type(failure).__name__)

    try:
        return await nats.connect(
            url,
            name=name,
            error_cb=told,
            reconnect_time_wait=0.05,
            max_reconnect_attempts=-1,
            connect_timeout=5,
        )
    except (NatsError, OSError) as failure:
        raise Unavailable from failure


async def ensure_stream(client: Client) -> None:
    """Makes the one stream of the company's facts, kept on disk and never trimmed; it can be made from the outboxes."""
    stream = StreamConfig(name=STREAM, subjects=["ruum.>"], storage=StorageType.FILE, duplicate_window=120.0)
    try:
        await client.jetstream().add_stream(stream)
    except (NatsError, APIError, TimeoutError) as failure:
        raise Unavailable from failure


class Publisher:
    """Hands event rows of the outbox on to the stream, all acknowledgements awaited together."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Publishes rows in their order.

        Raises:
            Unavailable: none arrived.
        """
        js = self._client.jetstream()
        sent = [
            await js.publish_async(row["subject"], row["payload"], headers={"Nats-Msg-Id": row["message_id"]})
            for row in rows
        ]
        answers = await asyncio.gather(*(asyncio.wait_for(ack, 5) for ack in sent), return_exceptions=True)
        arrived = []
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, BaseException):
                break  # what comes after it goes again too, so that no aggregate's events overtake each other
            arrived.append(row["position"])
        if not arrived:
            raise Unavailable
        return arrived


Handler = Callable[[Work, Any], Awaitable[None]]


class Consumer:
    """Takes another context's events, in each aggregate's order, each in one transaction with what it causes.

    Args:
        name: the durable consumer: `points`; one a context.
        source: the context whose events it takes: `store`.
        handlers: by subject's event (`order_placed`), with the message that it carries; other events only count.
    """

    def __init__(
        self,
        name: str,
        source: str,
        client: Client,
        database: Database,
        outbox: Outbox,
        inbox: sa.Table,
        clock: Clock,
        handlers: Mapping[str, tuple[type[Message], Handler]],
    ) -> None:
        self._name = name
        self._source = source
        self._client = client
        self._database = database
        self._outbox = outbox
        self._inbox = inbox
        self._clock = clock
        self._handlers = handlers
        self._caller = Caller("service", source)

    async def run(self) -> None:
        """Consumes until it is stopped; waits while stream or database are away."""
        while True:
            try:
                await self._consume()
            except (NatsError, APIError, RuumError, TimeoutError, OSError) as failure:
                _log.warning("consumer waits", consumer=self._name, kind=type(failure).__name__)
                await asyncio.sleep(0.5)

    async def _consume(self) -> None:
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT_SECONDS,
            deliver_policy=DeliverPolicy.ALL,
            max_ack_pending=_PULL * 4,
        )
        subject = f"ruum.{self._source}.>"
        durable = f"{self._name}-{self._source}"
        pulled = await self._client.jetstream().pull_subscribe(subject, durable=durable, stream=STREAM, config=config)
        try:
            while True:
                with suppress(TimeoutError):
                    for message in await pulled.fetch(_PULL, timeout=5):
                        await self._take(message)
        finally:
            with suppress(NatsError):
                await pulled.unsubscribe()

    async def _take(self, message: Msg) -> None:
        try:
            in_turn = await self.take(message.subject, message.data)
        except Exception as failure:
            # The event stays and comes again, more and more slowly; everything behind it of the aggregate waits.
            _log.exception("event not taken", subject=message.subject, consumer=self._name)
            await message.nak(delay=min(2.0**message.metadata.num_delivered * 0.1, 60.0))
            if isinstance(failure, RuumError):
                return
            raise
        if in_turn:
            await message.ack()
        else:
            await message.nak(delay=_LATER_SECONDS)

    async def take(self, subject: str, payload: bytes) -> bool:
        """Takes one event. Returns false when an earlier event of its aggregate has not come yet."""
        kind, handler = self._handlers.get(subject.split(".")[2], (None, None))
        event: Any = (kind or AnyEvent).FromString(payload)
        version, aggregate = event.header.aggregate_version, event.header.aggregate_id

        async def once(tx: AsyncSession) -> bool:
            seen = await self._seen(tx, aggregate)
            if version != seen + 1:
                return bool(version <= seen)
            work = Work(tx, self._caller, self._clock.now())
            if handler is not None:
                await handler(work, event)
            await self._outbox.write(tx, work.events, work.lines, work.now)
            await tx.execute(
                sa.update(self._inbox).where(*self._place(aggregate)).values(version=version, taken_at=work.now)
            )
            return True

        in_turn = await self._database.transact(once)
        self._outbox.wake()
        return in_turn

    def _place(self, aggregate: str) -> list[sa.ColumnElement[bool]]:
        t = self._inbox.c
        return [t.consumer == self._name, t.source == self._source, t.aggregate_id == aggregate]

    async def _seen(self, tx: AsyncSession, aggregate: str) -> int:
        """The aggregate's last event taken; its row is locked, so that two processes take turns."""
        place = {"consumer": self._name, "source": self._source, "aggregate_id": aggregate}
        fresh = place | {"version": 0, "taken_at": self._clock.now()}
        await tx.execute(insert(self._inbox).values(fresh).on_conflict_do_nothing())
        found = sa.select(self._inbox.c.version).where(*self._place(aggregate)).with_for_update()
        return int((await tx.execute(found)).scalar_one())
