"""Facts and process starts leave with the transaction that made them (OP-10): the outbox, and who empties it.

A domain verb tells an `Event` or asks for a `ProcessLine`; both become outbox rows in the verb's transaction. The
relay hands them on: events to JetStream in each aggregate's order, process lines to Temporal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar

import sqlalchemy as sa
import structlog
from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import EVENT_ORDER, Database
from services.chassis.errors import RuumError
from services.chassis.ids import new_id

_log = structlog.get_logger()

BATCH = 200
# How long a relay may take for a batch before another takes the rows over.
LEASE_SECONDS = 15


class Event(BaseModel):
    """A fact. Named and shaped like its message in the context's `events.proto`; holds ids, codes and instants only."""

    model_config = ConfigDict(frozen=True)

    subject: ClassVar[str]
    """`key_number_asked`: becomes `ruum.<context>.key_number_asked.v1`."""

    aggregate_id: str
    member_id: str = ""


class ProcessLine(BaseModel):
    """Something a workflow must be told: to start, or that a fact it waits for has come.

    Attributes:
        process: the workflow's type, such as `sparekey-order`.
        key: what stands behind the slash of its id.
        action: `start`, or the name of a signal.
        arguments: ids, codes and instants in JSON.
        grace_seconds: how long the relay leaves it to the one who wrote it, who tells the workflow at once.
    """

    model_config = ConfigDict(frozen=True)

    process: str
    key: str
    action: str = "start"
    arguments: dict[str, str | int] = {}
    grace_seconds: int = 0


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """The outbox of one context: rows are kept, so that the stream can be written anew (OP-10)."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("aggregate_id", sa.Text, nullable=False),
        sa.Column("aggregate_version", sa.BigInteger),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("line", JSONB),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.Column("handed_on_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("kind in ('event', 'process')", name="outbox_kind"),
        sa.UniqueConstraint("message_id", name="outbox_message_id"),
        sa.UniqueConstraint("aggregate_id", "aggregate_version", name=EVENT_ORDER),
        sa.Index(
            "outbox_waiting",
            "kind",
            "position",
            postgresql_where=sa.text("handed_on_at is null"),
        ),
    )


def inbox_table(metadata: sa.MetaData) -> sa.Table:
    """How far each consumer has come with each aggregate: a repeat is behind it, a gap is ahead of it (OP-10)."""
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("aggregate_id", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
    )


class Outbox:
    """Writes what a transaction tells, and wakes the relay after it.

    Args:
        context: `store`: whose subjects these are.
        messages: the context's generated `events_pb2`.
        table: its outbox.
    """

    def __init__(self, context: str, messages: ModuleType | None, table: sa.Table) -> None:
        self.context = context
        self.table = table
        self._messages = messages
        self._relays: list[asyncio.Event] = []

    def woken(self) -> asyncio.Event:
        """An event of the asker's own that is set after each transaction that told something."""
        relay = asyncio.Event()
        self._relays.append(relay)
        return relay

    def wake(self) -> None:
        for relay in self._relays:
            relay.set()

    async def write(
        self, tx: AsyncSession, events: Sequence[Event], lines: Sequence[ProcessLine], now: datetime
    ) -> None:
        """Adds the rows. Two transactions that tell of one aggregate at once: one of them is run again."""
        versions = await self._versions(tx, {event.aggregate_id for event in events})
        rows = []
        for event in events:
            versions[event.aggregate_id] += 1
            rows.append(self._event_row(event, versions[event.aggregate_id], now))
        rows += [_line_row(line, now) for line in lines]
        if rows:
            await tx.execute(sa.insert(self.table), rows)

    async def _versions(self, tx: AsyncSession, aggregates: set[str]) -> dict[str, int]:
        versions = dict.fromkeys(aggregates, 0)
        if aggregates:
            t = self.table.c
            last = (
                sa.select(t.aggregate_id, sa.func.max(t.aggregate_version))
                .where(t.aggregate_id.in_(aggregates), t.kind == "event")
                .group_by(t.aggregate_id)
            )
            versions |= dict(await tx.execute(last))
        return versions

    def _event_row(self, event: Event, version: int, now: datetime) -> dict[str, Any]:
        message_id = new_id("evt")
        return _row(
            kind="event",
            message_id=message_id,
            aggregate_id=event.aggregate_id,
            aggregate_version=version,
            subject=f"ruum.{self.context}.{event.subject}.v1",
            payload=self._encode(event, message_id, version, now),
            written_at=now,
        )

    def _encode(self, event: Event, event_id: str, version: int, now: datetime) -> bytes:
        message: Message = getattr(self._messages, type(event).__name__)()
        header = getattr(message, "header")  # noqa: B009  # generated: unknown to the type
        header.event_id, header.aggregate_id, header.aggregate_version = event_id, event.aggregate_id, version
        header.occurred_at.FromDatetime(now)
        header.member_id = event.member_id
        for name, value in event.model_dump(exclude={"aggregate_id", "member_id"}, exclude_none=True).items():
            _set(message, name, value)
        return message.SerializeToString(deterministic=True)


def _set(message: Message, name: str, value: Any) -> None:
    if isinstance(value, datetime):
        getattr(message, name).FromDatetime(value)
    elif isinstance(value, date):
        getattr(message, name).iso = value.isoformat()
    else:
        setattr(message, name, value)


def _row(**values: Any) -> dict[str, Any]:
    return {"aggregate_version": None, "payload": None, "line": None, "claimed_until": None} | values


def _line_row(line: ProcessLine, now: datetime) -> dict[str, Any]:
    return _row(
        kind="process",
        message_id=new_id("lin"),
        aggregate_id=f"{line.process}/{line.key}",
        subject=line.action,
        line=line.model_dump(exclude={"grace_seconds"}),
        written_at=now,
        claimed_until=datetime.now(UTC) + timedelta(seconds=line.grace_seconds) if line.grace_seconds else None,
    )


HandOn = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[int]]]
"""Takes claimed rows, gives the positions of those that arrived."""


class Relay:
    """Empties one kind of outbox rows until it is stopped; several may run, each row goes to one of them at a time."""

    def __init__(self, database: Database, outbox: Outbox, kind: str, hand_on: HandOn) -> None:
        self._database = database
        self._outbox = outbox
        self._kind = kind
        self._hand_on = hand_on

    async def run(self) -> None:
        """Hands rows on as they come: at once after a transaction here, within a second after a crash elsewhere."""
        woken = self._outbox.woken()
        pause = 0.0
        while True:
            try:
                moved = await self.drain()
                pause = 0.0 if moved else 0.5
            except RuumError as failure:
                _log.warning("relay waits", kind=self._kind, code=failure.code)
                pause = min(max(pause * 2, 0.5), 10.0)
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), pause)
                woken.clear()

    async def drain(self) -> int:
        """Hands on one batch. Returns how many rows arrived.

        Raises:
            Unavailable: the other side cannot be reached; the rows stay.
        """
        rows = await self._database.transact(self._claim)
        if not rows:
            return 0
        arrived: Sequence[int] = ()
        try:
            arrived = await self._hand_on(rows)
        finally:
            claimed = [row["position"] for row in rows]
            await self._database.transact(lambda tx: self._settle(tx, claimed, arrived))
        return len(arrived)

    async def _claim(self, tx: AsyncSession) -> Sequence[Mapping[str, Any]]:
        t = self._outbox.table
        free = (
            sa.select(t.c.position)
            .where(
                t.c.kind == self._kind,
                t.c.handed_on_at.is_(None),
                sa.or_(t.c.claimed_until.is_(None), t.c.claimed_until < sa.func.now()),
            )
            .order_by(t.c.position)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        until = sa.func.now() + sa.text(f"interval '{LEASE_SECONDS} seconds'")
        claim = sa.update(t).where(t.c.position.in_(free)).values(claimed_until=until).returning(t)
        found = (await tx.execute(claim)).mappings().all()
        return sorted(found, key=lambda row: row["position"])

    async def _settle(self, tx: AsyncSession, claimed: Sequence[int], arrived: Sequence[int]) -> None:
        t = self._outbox.table
        await tx.execute(sa.update(t).where(t.c.position.in_(arrived)).values(handed_on_at=sa.func.now()))
        left = set(claimed) - set(arrived)
        if left:
            await tx.execute(sa.update(t).where(t.c.position.in_(left)).values(claimed_until=None))
