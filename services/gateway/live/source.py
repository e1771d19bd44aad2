"""The company's facts as they are told, read from the stream for the feed (PO-03, OP-10)."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from google.protobuf.message import DecodeError
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from ruum.common.v1.common_pb2 import AnyEvent
from services.chassis import stream
from services.chassis.errors import Unavailable
from services.gateway.live.feed import MOST_KEPT, Feed, Happening

_log = structlog.get_logger()

# What a member can look at. What identity and the notifier tell concerns the member's letters and devices.
_WATCHED = {"store", "sparekey", "points", "rooms"}
_HEARTBEAT = 2.0
_PAUSE = 0.5
_HEARTBEAT_STATUS = "100"


class GapError(Exception):
    """The server has sent something that did not arrive: it is asked for again."""


class Source:
    """Follows the stream, with a consumer that leaves nothing behind on the server.

    Attributes:
        follows: whether what happens is heard now.
    """

    def __init__(self, url: str, feed: Feed) -> None:
        self.follows = False
        self._url = url
        self._feed = feed
        self._client: Client | None = None

    async def run(self) -> None:
        """Follows until it is stopped; waits while the stream is away."""
        while True:
            try:
                await self._follow()
            except (GapError, NatsError, APIError, Unavailable, TimeoutError, OSError) as failure:
                _log.warning("stream is not followed", kind=type(failure).__name__)
            self.follows = False
            await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _follow(self) -> None:
        if self._client is None:
            self._client = await stream.connect(self._url, "gateway")
        heard = await self._client.subscribe(inbox := self._client.new_inbox())
        try:
            waiting = await self._ask(self._client, inbox)
            self.follows = not waiting
            await self._hear(heard, waiting)
        finally:
            await heard.unsubscribe()

    async def _ask(self, client: Client, inbox: str) -> int:
        """Has everything sent that the feed does not know yet, and gives how many that are."""
        info = await client.jsm().stream_info(stream.STREAM)
        name = str(int(info.created.timestamp() * 1000)) if info.created else ""
        newest = info.state.last_seq
        if name != self._feed.stream or newest < self._feed.mark.place:
            self._feed.begin(name, max(info.state.first_seq, newest - MOST_KEPT + 1, 1), newest)
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._feed.next_place,
            deliver_subject=inbox,
            idle_heartbeat=_HEARTBEAT,
            mem_storage=True,
        )
        made = await client.jsm().add_consumer(stream.STREAM, config)
        return made.num_pending or 0

    async def _hear(self, heard: Any, waiting: int) -> None:
        expected = 1
        while True:
            message: Msg = await heard.next_msg(timeout=3 * _HEARTBEAT)
            if (message.headers or {}).get("Status") == _HEARTBEAT_STATUS:
                if int((message.headers or {}).get("Nats-Last-Consumer", 0)) != expected - 1:
                    raise GapError
                continue
            if message.metadata.sequence.consumer != expected:
                raise GapError
            self._feed.tell(message.metadata.sequence.stream, _happening(message))
            self.follows = self.follows or expected >= waiting
            expected += 1


def _happening(message: Msg) -> Happening | None:
    """The event, where it concerns a member."""
    _, context, event, *_ = message.subject.split(".")
    if context not in _WATCHED:
        return None
    try:
        header = AnyEvent.FromString(message.data).header
    except DecodeError:
        _log.warning("event cannot be read", subject=message.subject)
        return None
    if not header.member_id:
        return None
    place = message.metadata.sequence.stream
    return Happening(place, f"{context}.{event}", header.member_id, header.aggregate_id, header.aggregate_version)
