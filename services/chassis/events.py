"""Facts and process starts are written down in the transaction that made them (OP-10): the outbox.

A domain verb tells an `Event` or asks for a `ProcessLine`; both become outbox rows in the verb's transaction. A relay
(`chassis/relay.py`) hands them on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from types import ModuleType
from typing import Any, cast

import sqlalchemy as sa
import structlog
from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from ruum.common.v1.common_pb2 import AnyEvent, EventHeader
from services.chassis import wire
from services.chassis.db import Database
from services.chassis.ids import new_id

_log = structlog.get_logger()

_PART = 10_000


class Event(BaseModel):
    """A fact. Named and shaped like its message in the context's `events.proto`; holds ids, codes and instants only."""

    model_config = ConfigDict(frozen=True)

    aggregate_id: str
    member_id: str = ""


@cache
def subject(context: str, event: str) -> str:
    """Where an event is published: `KeyNumberAsked` of sparekey on `ruum.sparekey.key_number_asked.v1`."""
    return f"ruum.{context}.{re.sub(r'(?<!^)(?=[A-Z])', '_', event).lower()}.v1"


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
        sa.UniqueConstraint("aggregate_id", "aggregate_version", name="outbox_aggregate_order"),
        sa.Index(
            "outbox_waiting",
            "kind",
            "position",
            postgresql_where=sa.text("handed_on_at is null"),
        ),
    )


def inbox_table(metadata: sa.MetaData) -> sa.Table:
    """How far each consumer has come with each aggregate: a repeat is behind it, a gap is ahead of it (OP-10).

    The context itself stands here too, as consumer and source: its newest version is the last event that it told.
    """
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("aggregate_id", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
    )


# One trip to the database numbers and writes the events: who tells of the same aggregate waits for the other.
_TELL = """
with {beside} told as (
  select * from unnest(cast(:ids as text[]), cast(:aggregates as text[]), cast(:later as int[]),
                       cast(:subjects as text[]), cast(:payloads as bytea[]))
    with ordinality as told (message_id, aggregate_id, later, subject, payload, turn)
), counted as (
  insert into {inbox} as head (consumer, source, aggregate_id, version, taken_at)
  select :context, :context, aggregate_id, count(*), :now from told group by aggregate_id order by aggregate_id
  on conflict (consumer, source, aggregate_id)
    do update set version = head.version + excluded.version, taken_at = excluded.taken_at
  returning aggregate_id, version
)
insert into {outbox} (kind, message_id, aggregate_id, aggregate_version, subject, payload, written_at)
select 'event', message_id, aggregate_id, version - later, subject, payload, :now
from told join counted using (aggregate_id) order by turn
"""
_RUN = """
with {beside} asked as (
  select * from unnest(cast(:ids as text[]), cast(:aggregates as text[]), cast(:actions as text[]),
                       cast(:lines as text[]), cast(:graces as int[]))
    with ordinality as asked (message_id, aggregate_id, action, line, grace, turn)
)
insert into {outbox} (kind, message_id, aggregate_id, subject, line, written_at, claimed_until)
select 'process', message_id, aggregate_id, action, cast(line as jsonb), :now,
       case when grace > 0 then statement_timestamp() + grace * interval '1 second' end
from asked order by turn
"""


@dataclass(frozen=True)
class Beside:
    """An UPDATE that is made in the same trip to the database as what is told."""

    sql: str
    values: Mapping[str, Any]


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
        self._names = {name: f"{table.schema}.{name}" for name in ("outbox", "inbox")}
        self._statements: dict[str, sa.TextClause] = {}
        self._relays: list[tuple[str, asyncio.Event]] = []

    def woken(self, kind: str) -> asyncio.Event:
        """An event of the asker's own that is set after each transaction that wrote rows of this kind."""
        relay = asyncio.Event()
        self._relays.append((kind, relay))
        return relay

    def wake(self, *kinds: str) -> None:
        for kind, relay in self._relays:
            if kind in kinds:
                relay.set()

    async def write(
        self,
        tx: AsyncSession,
        events: Sequence[Event],
        lines: Sequence[ProcessLine],
        now: datetime,
        beside: Beside | None = None,
    ) -> None:
        """Adds the rows, and makes the update `beside` them."""
        if events:
            await self._execute(tx, _TELL, beside, self._told(events, now))
            beside = None
        if lines:
            await self._execute(tx, _RUN, beside, _asked(lines, now))
            beside = None
        if beside is not None:
            await self._execute(tx, "{beside}", beside, {})

    async def tell_again(self, database: Database) -> int:
        """Has every event handed on once more, for a stream that was lost; consumers know what they have (QA-08).

        Part by part from the oldest on, each committed: however much there is, no statement takes long, and if it is
        cut short it can be begun again.
        """
        position, events = self.table.c.position, self.table.c.kind == "event"
        async with database.reading() as session:
            newest = await session.scalar(sa.select(sa.func.max(position)).where(events)) or 0
        found = 0
        for start in range(0, newest, _PART):
            part = sa.update(self.table).where(events, position.between(start + 1, min(start + _PART, newest)))
            found += await database.transact(partial(_count, part.values(handed_on_at=None, claimed_until=None)))
        return found

    async def _execute(self, tx: AsyncSession, form: str, beside: Beside | None, values: Mapping[str, Any]) -> None:
        update = beside.sql if beside else ""
        statement = self._statements.get(form + update)
        if statement is None:
            part = f"beside as ({update})," if update and form != "{beside}" else update
            statement = self._statements[form + update] = sa.text(form.format(beside=part, **self._names))
        await tx.execute(statement, {**values, **(beside.values if beside else {})})

    def _told(self, events: Sequence[Event], now: datetime) -> dict[str, Any]:
        aggregates = [event.aggregate_id for event in events]
        ids = [new_id("evt") for _ in events]
        return {
            "context": self.context,
            "now": now,
            "ids": ids,
            "aggregates": aggregates,
            "later": [aggregates[turn + 1 :].count(aggregate) for turn, aggregate in enumerate(aggregates)],
            "subjects": [subject(self.context, type(event).__name__) for event in events],
            "payloads": [self._encode(event, event_id, now) for event, event_id in zip(events, ids, strict=True)],
        }

    def _encode(self, event: Event, event_id: str, now: datetime) -> bytes:
        """The message but for its version, which is known when the row is written: see `message`."""
        header = wire.write(EventHeader, event, event_id=event_id, aggregate_version=None, occurred_at=now)
        told: Message = wire.write(getattr(self._messages, type(event).__name__), event, header=header)
        return told.SerializeToString(deterministic=True)


def message(row: Mapping[str, Any]) -> bytes:
    """The event of an outbox row as it is published: what is appended to a protobuf message is merged into it."""
    version = AnyEvent(header=EventHeader(aggregate_version=row["aggregate_version"]))
    return bytes(row["payload"]) + version.SerializeToString()


def _asked(lines: Sequence[ProcessLine], now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "ids": [new_id("lin") for _ in lines],
        "aggregates": [f"{line.process}/{line.key}" for line in lines],
        "actions": [line.action for line in lines],
        "lines": [line.model_dump_json(exclude={"grace_seconds"}) for line in lines],
        "graces": [line.grace_seconds for line in lines],
    }


async def _count(anew: sa.Update, tx: AsyncSession) -> int:
    return cast("sa.CursorResult[Any]", await tx.execute(anew)).rowcount
