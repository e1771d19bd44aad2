"""The notifier as it is deployed, between a real stream, a real database, neighbours of ours and the stand-ins."""
# ruff: noqa: N802  # the contract names the methods

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import Message
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local.child import Child, running
from ruum.common.v1.common_pb2 import Day, EventHeader
from ruum.identity.v1 import identity_pb2 as pb
from ruum.identity.v1.identity_pb2_grpc import IdentityServiceServicer
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceServicer
from services.chassis.caller import Caller
from services.chassis.db import Database
from services.chassis.errors import Kind, NotFound, RemoteError
from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.notifier.deliveries.domain import plan
from services.notifier.deliveries.models import Notice
from tests.sandbox.harness import Sandbox
from tests.support.own_process import program
from tests.support.waiting import until

PORTAL = "https://portal.ruum.example"
SENDING_DOMAIN = "ruum.me"
NUMBER = "4025183907"
"""The number of every order, as people read it."""


class Identity(IdentityServiceServicer):
    """Knows members and envelopes; closes an envelope once.

    Attributes:
        away: answers nobody while it is set.
        cannot_close: nor whoever wants an envelope closed.
        asked: how often each method was called.
    """

    def __init__(self) -> None:
        self.members: dict[str, pb.Contact] = {}
        self.envelopes: dict[str, pb.Envelope] = {}
        self.closed: list[str] = []
        self.away = False
        self.cannot_close = False
        self.asked: Counter[str] = Counter()

    async def GetContact(self, request: pb.GetContactRequest, context: Any) -> pb.Contact:
        self._answers("GetContact")
        if request.member_id not in self.members:
            raise NotFound
        return self.members[request.member_id]

    async def OpenEnvelope(self, request: pb.OpenEnvelopeRequest, context: Any) -> pb.Envelope:
        self._answers("OpenEnvelope")
        return self._living(request.envelope_id)

    async def CloseEnvelope(self, request: pb.CloseEnvelopeRequest, context: Any) -> pb.CloseEnvelopeResponse:
        self._answers("CloseEnvelope")
        self._living(request.envelope_id)
        self.closed.append(request.envelope_id)
        return pb.CloseEnvelopeResponse()

    def _answers(self, method: str) -> None:
        self.asked[method] += 1
        if self.away or (self.cannot_close and method == "CloseEnvelope"):
            raise RemoteError(Kind.UNAVAILABLE, "service-unavailable")

    def _living(self, envelope_id: str) -> pb.Envelope:
        if envelope_id not in self.envelopes:
            raise NotFound
        if envelope_id in self.closed:
            raise RemoteError(Kind.REFUSED, "envelope-gone")
        return self.envelopes[envelope_id]


class Store(StoreServiceServicer):
    """Knows every order: two keys with coupon and points, paid by card, but for what a test has changed.

    Attributes:
        away: answers nobody while it is set.
        asked: for which orders it was called.
    """

    def __init__(self) -> None:
        self.orders: dict[str, store_pb2.Order] = {}
        self.away = False
        self.asked: Counter[str] = Counter()

    async def GetOrder(self, request: store_pb2.GetOrderRequest, context: Any) -> store_pb2.Order:
        self.asked[request.order_id] += 1
        if self.away:
            raise RemoteError(Kind.UNAVAILABLE, "service-unavailable")
        return self.orders.get(request.order_id) or two_keys(request.order_id)


def two_keys(order_id: str, means: store_pb2.Means.ValueType = store_pb2.MEANS_CARD) -> store_pb2.Order:
    name = store_pb2.LocalText(ja="スペアキー（通常キー）", en="Spare key (normal key)", zh_hans="备用钥匙（普通钥匙）")
    return store_pb2.Order(
        order_id=order_id,
        order_number=NUMBER,
        lines=[store_pb2.Line(name=name, quantity=2, unit_price=3300, amount=6600)],
        totals=store_pb2.Totals(
            goods=6600, coupon=500, shipping=0, points=300, points_yen=300, due=5800, points_to_earn=58
        ),
        payment=store_pb2.PaymentView(means=means),
        coupon_code="WELCOME",
        promised_dispatch_on=Day(iso="2026-05-12"),
    )


class World:
    def __init__(
        self, process: Child, identity: Identity, store: Store, sandbox: Sandbox, database: Database, client: Client
    ) -> None:
        self.process = process
        self.identity = identity
        self.store = store
        self.sandbox = sandbox
        self.database = database
        self._client = client
        self._versions: Counter[str] = Counter()

    # Who there is.

    def member(self, language: str = "ja", name: str = "", *, phone: str = "", mail: bool = True) -> str:
        member_id = new_id("mem")
        email = f"{member_id}@example.jp" if mail else ""
        contact = pb.Contact(member_id=member_id, language=language, email=email, phone=phone, name=name)
        self.identity.members[member_id] = contact
        return member_id

    def address(self, member_id: str) -> str:
        contact = self.identity.members[member_id]
        return contact.email or contact.phone

    def envelope(self, purpose: str, address: str, language: str = "ja", digits: str = "", sequence: int = 1) -> str:
        envelope_id = new_id("env")
        channel = pb.CHANNEL_EMAIL if "@" in address else pb.CHANNEL_SMS
        envelope = pb.Envelope(
            channel=channel, address=address, language=language, purpose=purpose, code=digits, sequence=sequence
        )
        envelope.expires_at.FromDatetime(datetime.now(UTC) + timedelta(minutes=10))
        self.identity.envelopes[envelope_id] = envelope
        return envelope_id

    # What is told.

    def header(self, member_id: str = "", aggregate_id: str | None = None) -> EventHeader:
        """Of the next event of its aggregate."""
        aggregate_id = aggregate_id or new_id("ord")
        self._versions[aggregate_id] += 1
        header = EventHeader(
            event_id=new_id("evt"),
            aggregate_id=aggregate_id,
            aggregate_version=self._versions[aggregate_id],
            member_id=member_id,
        )
        header.occurred_at.FromDatetime(datetime.now(UTC))
        return header

    async def tell(self, *events: Message, times: int = 1) -> None:
        stream = self._client.jetstream()
        for event in events:
            for _ in range(times):
                await stream.publish(subject(type(event)), event.SerializeToString())

    async def planned(self, event: Any, notice: Notice) -> None:
        """As if it had been told and taken, and were due for longer than anything else that is left to be sent."""
        caller, now, event_id = Caller("service", "points"), datetime.now(UTC), event.header.event_id
        overdue = "update notifier.deliveries set due_at = now() - interval '1 day' where event_id = :event"

        async def do(tx: AsyncSession) -> None:
            await plan(Work(tx, caller, now), event_id, [notice])
            await tx.execute(sa.text(overdue), {"event": event_id})

        await self.database.transact(do)

    # What came of it.

    async def inbox(self, to: str) -> list[dict[str, Any]]:
        """What an address has received, the oldest first."""
        found: list[dict[str, Any]] = await self.sandbox.seen("inbox", to=to)
        return found[::-1]

    async def received(self, to: str, number: int = 1) -> list[dict[str, Any]]:
        """So many messages to an address, as soon as they are there."""

        async def there() -> bool:
            return len(await self.inbox(to)) >= number

        await until(there)
        return await self.inbox(to)

    async def deliveries(self, event: Any) -> list[Any]:
        rows = sa.text("select * from notifier.deliveries where event_id = :event order by recipient")
        async with self.database.reading() as session:
            return list((await session.execute(rows, {"event": event.header.event_id})).mappings())

    async def settled(self, event: Any, *states: str, number: int = 1, patience: float = 15) -> list[Any]:
        """The deliveries of an event once they stand so."""

        async def so() -> bool:
            return sorted(row["state"] for row in await self.deliveries(event)) == sorted(states * number)

        await until(so, within=patience)
        return await self.deliveries(event)

    async def failing(self, event: Any, failure: str) -> Any:
        """The only delivery of an event once a try of it has failed so."""

        async def so() -> bool:
            return [row["failure"] for row in await self.deliveries(event)] == [failure]

        await until(so)
        return (await self.deliveries(event))[0]


@asynccontextmanager
async def instead(world: World, **changes: str) -> AsyncIterator[Child]:
    """A notifier that is told otherwise in the place of the usual one, which goes on afterwards."""
    world.process.kill()
    await world.process.wait()
    told_otherwise = program("notifier", {**world.process.program.env, **changes}, world.process.program.log)
    try:
        async with running(told_otherwise) as child:
            yield child
    finally:
        await world.process.start()
        await world.process.until_ready(30)


def subject(kind: type[Message]) -> str:
    _, context, version, name = kind.DESCRIPTOR.full_name.split(".")
    return f"ruum.{context}.{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}.{version}"
