"""JetStream: publishing what the outbox holds, and consuming each aggregate's events in order, each once (OP-10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import nats
import sqlalchemy as sa
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, PubAck, StorageType, StreamConfig
from sqlalchemy.ext.asyncio import AsyncSession

from ruum.common.v1.common_pb2 import AnyEvent, EventHeader
from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import RuumError, Unavailable
from services.chassis.events import Outbox, message, subject
from services.chassis.idempotency import Work

_log = structlog.get_logger()

STREAM = "ruum"
_QUIET_SECONDS = 10
_PUBLISH_PATIENCE_SECONDS = 5
_PULL_SECONDS = 5
_ACK_WAIT_SECONDS = 30
# Events that wait behind one that cannot be taken: so many, before they would hold up others.
_MOST_WAITING = 50_000
_LONGEST_PAUSE_SECONDS = 30
_UNUSUAL_TRIES = 4


async def connect(url: str, name: str) -> Client:
    """A connection that waits for the server and comes back by itself.

    Raises:
        Unavailable: the server does not want us.
    """
    quiet_until = 0.0

    async def told(failure: Exception) -> None:
        nonlocal quiet_until
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # Before Python 3.12 `wait_for` loses a cancellation that meets a failure: the library would try for ever.
            raise asyncio.CancelledError
        now = asyncio.get_running_loop().time()
        if now >= quiet_until:  # said twenty times a second while the server is away
            quiet_until = now + _QUIET_SECONDS
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
    """Makes the one stream of the company's facts, kept on disk and never trimmed; it can be made from the outboxes.

    Raises:
        Unavailable: the server cannot be reached, or does not make it.
    """
    stream = StreamConfig(name=STREAM, subjects=["ruum.>"], storage=StorageType.FILE, duplicate_window=120.0)
    try:
        await client.jetstream().add_stream(stream)
    except (NatsError, TimeoutError) as failure:
        raise Unavailable from failure


class Publisher:
    """Hands event rows of the outbox on to the stream, all acknowledgements awaited together."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stream = client.jetstream()

    async def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Publishes rows in their order, up to the first that did not arrive.

        Raises:
            Unavailable: none arrived.
        """
        acknowledged = await self._send(rows)
        if acknowledged:
            await asyncio.wait(acknowledged, timeout=_PUBLISH_PATIENCE_SECONDS)
        # What comes after a row that is missing goes again too, so that no aggregate's events overtake each other.
        arrived = [row["position"] for row, _ in takewhile(_arrived, zip(rows, acknowledged, strict=False))]
        for late in acknowledged:
            late.cancel()
        if not arrived:
            raise Unavailable
        return arrived

    async def _send(self, rows: Sequence[Mapping[str, Any]]) -> list[asyncio.Future[PubAck]]:
        """Starts sending; fewer than there are rows when the connection does not take them."""
        sent: list[asyncio.Future[PubAck]] = []
        with suppress(NatsError, OSError):
            for row in rows:
                if not self._client.is_connected:
                    break  # the library would keep it and send it after what is sent by then
                headers = {"Nats-Msg-Id": row["message_id"]}
                sent.append(await self._stream.publish_async(row["subject"], message(row), headers=headers))
        return sent


def _arrived(sent: tuple[Mapping[str, Any], asyncio.Future[PubAck]]) -> bool:
    _, acknowledgement = sent
    return acknowledgement.done() and acknowledgement.exception() is None


Handlers = Mapping[type[Any], Callable[[Work, Any], Awaitable[None]]]
"""By an event's generated message: what it causes, in the transaction in which it is taken."""


class Consumer:
    """Takes another context's events, in each aggregate's order, each in one transaction with what it causes.

    Args:
        name: the durable consumer: `points`; one a context.
        source: the context whose events it takes: `store`.
        handlers: of its events; those that are not named only count.
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
        handlers: Handlers,
    ) -> None:
        self._name = name
        self._source = source
        self._client = client
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._handlers = {subject(source, kind.DESCRIPTOR.name): (kind, handle) for kind, handle in handlers.items()}
        self._caller = Caller("service", source)
        self._first = sa.text(_FIRST.format(inbox=inbox))
        self._next = sa.text(_NEXT.format(inbox=inbox))
        self._newest = sa.text(_NEWEST.format(inbox=inbox))

    async def run(self) -> None:
        """Consumes until it is stopped; waits while stream or database are away."""
        while True:
            try:
                await self._consume()
            except (NatsError, RuumError, TimeoutError, OSError) as failure:
                _log.warning("consumer waits", consumer=self._name, kind=type(failure).__name__)
                await asyncio.sleep(0.5)

    async def _consume(self) -> None:
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT_SECONDS,
            deliver_policy=DeliverPolicy.ALL,
            max_ack_pending=_MOST_WAITING,
        )
        told = f"ruum.{self._source}.>"
        durable = f"{self._name}-{self._source}"
        pulled = await self._client.jetstream().pull_subscribe(told, durable=durable, stream=STREAM, config=config)
        try:
            while True:
                # One by one: with more the library at times leaves what has come until its patience is over.
                try:
                    event = (await pulled.fetch(1, timeout=_PULL_SECONDS))[0]
                except TimeoutError:
                    await pulled.consumer_info()  # says when the stream was lost
                else:
                    await self._take(event)
        finally:
            with suppress(NatsError):
                await pulled.unsubscribe()

    async def _take(self, event: Msg) -> None:
        """Takes an event, or leaves it to come again, more and more slowly; other aggregates' go on meanwhile."""
        tries = event.metadata.num_delivered
        # Soon at first, since what is missing is mostly on its way; then seldom, since many may wait behind it.
        pause = min(0.05 * 4 ** min(tries, 10), _LONGEST_PAUSE_SECONDS)
        try:
            in_turn = await self.take(event.subject, event.data)
        except Unavailable:
            await event.nak(delay=0.5)
            raise
        except Exception:  # noqa: BLE001  # one bad event holds up its aggregate and nothing else
            _log.exception("event not taken", subject=event.subject, consumer=self._name, attempt=tries)
            await event.nak(delay=pause)
            return
        if in_turn:
            await event.ack()
            return
        if tries >= _UNUSUAL_TRIES:
            _log.warning("event before its turn", subject=event.subject, consumer=self._name, attempt=tries)
        await event.nak(delay=pause)

    async def take(self, place: str, payload: bytes) -> bool:
        """Takes one event. Returns false when an earlier event of its aggregate has not been taken yet."""
        kind, handler = self._handlers.get(place, (None, None))
        event: Any = (kind or AnyEvent).FromString(payload)
        header: EventHeader = event.header

        async def once(tx: AsyncSession) -> tuple[bool, tuple[str, ...]]:
            work = Work(tx, self._caller, self._clock.now())
            if not await self._turn(work, header):
                return await self._taken(tx, header), ()
            if handler is not None:
                await handler(work, event)
            await self._outbox.write(tx, work.events, work.lines, work.now)
            return True, work.wakes

        in_turn, wakes = await self._database.transact(once)
        self._outbox.wake(*wakes)
        return in_turn

    async def _turn(self, work: Work, header: EventHeader) -> bool:
        """Moves the aggregate on by one, if this event is its next; of two processes the second waits for the first."""
        statement = self._first if header.aggregate_version == 1 else self._next
        values = self._place(header) | {"version": header.aggregate_version, "now": work.now}
        return (await work.tx.execute(statement, values)).first() is not None

    async def _taken(self, tx: AsyncSession, header: EventHeader) -> bool:
        newest = (await tx.execute(self._newest, self._place(header))).scalar_one_or_none()
        return newest is not None and bool(header.aggregate_version <= newest)

    def _place(self, header: EventHeader) -> dict[str, Any]:
        return {"consumer": self._name, "source": self._source, "aggregate": header.aggregate_id}


_FIRST = """
insert into {inbox} (consumer, source, aggregate_id, version, taken_at)
values (:consumer, :source, :aggregate, :version, :now)
on conflict do nothing returning version
"""
_NEXT = """
update {inbox} set version = :version, taken_at = :now
where consumer = :consumer and source = :source and aggregate_id = :aggregate and version = :version - 1
returning version
"""
_NEWEST = """
select version from {inbox} where consumer = :consumer and source = :source and aggregate_id = :aggregate
"""
