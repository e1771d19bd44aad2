"""The domain of points on a real database, a clock that stands still, and books that are checked from outside."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from ruum.points.v1 import events_pb2
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.idempotency import Command, Commands, Work
from services.chassis.ids import new_id
from services.chassis.jst import JST
from services.chassis.pages import Listed, Page
from services.points.grants.domain import GrantView, PostGrant
from services.points.holds.domain import (
    CapturePoints,
    GiveBackPoints,
    GivenBack,
    HoldPoints,
    HoldView,
    Part,
    ReleasePoints,
)
from services.points.ledger.domain import BalanceView, EntryView, GrantLimited, Posted, PostExpiry
from services.points.main import wired
from services.points.models import outbox, requests
from services.points.settings import Rules

WORKER = Caller("service", "worker")
STORE = Caller("service", "store")
CAMPAIGN_DESK = Caller("service", "campaign-desk")
BEGINNING = datetime(2026, 4, 1, 12, 0, tzinfo=JST)

_serial = itertools.count()

C = TypeVar("C", bound=Command)
A = TypeVar("A")


def a_member() -> str:
    return new_id("mem")


def an_order() -> str:
    return new_id("ord")


def request() -> str:
    return f"test/{next(_serial)}/{secrets.token_hex(4)}"


class World:
    """Speaks to the domain as its callers do, with short words."""

    def __init__(self, database: Database, at: datetime = BEGINNING, **rules: Any) -> None:
        self.database = database
        self.clock = FixedClock(at)
        self.rules = Rules(**rules)
        self.told = Outbox("points", events_pb2, outbox)
        self.commands = Commands(database, self.told, requests, b"k" * 32, self.clock)
        self.domain = wired(self.commands, self.rules)
        self.ledger, self.holds, self.grants = self.domain.ledger, self.domain.holds, self.domain.grants
        self.asked: list[tuple[Any, Caller, Command, Any]] = []

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return self.now.astimezone(JST).date()

    def pass_time(self, **period: float) -> None:
        self.clock.advance(timedelta(**period))

    def go_to(self, instant: datetime) -> None:
        self.clock.advance(instant - self.now)

    async def ask(self, verb: Callable[[Caller, C], Awaitable[A]], asked: C, caller: Caller = WORKER) -> A:
        """Asks a verb, and remembers it."""
        answer = await verb(caller, asked)
        self.asked.append((verb, caller, asked, answer))
        return answer

    # What callers ask.

    async def limited(self, member: str, points: int, last_day: date, campaign: str = "spring") -> str:
        asked = GrantLimited(
            request_id=request(), member_id=member, campaign_id=campaign, points=points, last_day=last_day
        )
        return (await self.ask(self.ledger.grant_limited, asked, CAMPAIGN_DESK)).lot_id

    async def hold(self, member: str, order: str, attempt: int = 1, **parts: int) -> HoldView:
        asked = HoldPoints(
            request_id=request(),
            member_id=member,
            order_id=order,
            attempt=attempt,
            parts=tuple(Part(part_id=part_id, points=points) for part_id, points in parts.items()),
        )
        return await self.ask(self.holds.hold, asked)

    async def capture(self, order: str, *parts: str, attempt: int = 1) -> HoldView:
        asked = CapturePoints(request_id=request(), order_id=order, attempt=attempt, part_ids=parts)
        return await self.ask(self.holds.capture, asked)

    async def release(self, order: str, *parts: str, attempt: int = 1, our_fault: bool = False) -> HoldView:
        asked = ReleasePoints(
            request_id=request(), order_id=order, attempt=attempt, part_ids=parts, reissue_lapsed=our_fault
        )
        return await self.ask(self.holds.release, asked)

    async def give_back(
        self, order: str, part: str, points: int, *, attempt: int = 1, our_fault: bool = False
    ) -> GivenBack:
        asked = GiveBackPoints(
            request_id=request(),
            order_id=order,
            attempt=attempt,
            part_id=part,
            points=points,
            reissue_lapsed=our_fault,
        )
        return await self.ask(self.holds.give_back, asked)

    async def post_grant(self, order: str, as_of: datetime | None = None) -> GrantView:
        return await self.ask(self.grants.post, PostGrant(request_id=request(), as_of=as_of, order_id=order))

    async def post_expiry(self, last_day: date, limit: int = 1000) -> Posted:
        return await self.ask(self.ledger.post_expiry, PostExpiry(request_id=request(), last_day=last_day, limit=limit))

    async def post_all_expiry(self) -> None:
        """As the night does: everything that ended by yesterday."""
        while (await self.post_expiry(self.today - timedelta(days=1))).more:
            pass

    async def balance(self, member: str) -> BalanceView:
        return await self.ledger.balance(Caller("member", member), "")

    async def entries(self, member: str, cursor: str = "", size: int = 100) -> Listed[EntryView]:
        return await self.ledger.entries(Caller("member", member), Page(cursor=cursor, size=size))

    # What the store tells.

    async def tell(self, verb: Callable[[Work], Awaitable[None]]) -> None:
        """Runs a verb as the consumer of events does."""

        async def once(tx: Any) -> None:
            work = Work(tx, STORE, self.now)
            await verb(work)
            await self.told.write(tx, work.events, work.lines, work.now)

        await self.database.transact(once)

    async def placed(self, member: str, order: str, amount: int, at: datetime | None = None) -> None:
        await self.tell(lambda work: self.grants.placed(work, member, order, amount, at or self.now))

    async def dispatched(self, order: str, at: datetime | None = None) -> None:
        await self.tell(lambda work: self.grants.dispatched(work, order, at or self.now))

    async def delivered(self, order: str, at: datetime | None = None) -> None:
        await self.tell(lambda work: self.grants.delivered(work, order, at or self.now))

    async def went_astray(self, order: str, at: datetime | None = None) -> None:
        await self.tell(lambda work: self.grants.went_astray(work, order, at or self.now))

    async def closed_unclaimed(self, order: str) -> None:
        await self.tell(lambda work: self.grants.closed_unclaimed(work, order, self.now))

    async def amount_changed(self, order: str, amount: int) -> None:
        await self.tell(lambda work: self.grants.amount_changed(work, order, amount))

    async def cancelled(self, order: str) -> None:
        await self.tell(lambda work: self.grants.cancelled(work, order))

    async def earned(self, member: str, points: int, order: str | None = None) -> str:
        """An order placed and delivered today and granted eleven days later: time passes."""
        order = order or an_order()
        await self.placed(member, order, points * 100)
        await self.delivered(order)
        self.pass_time(days=11)
        granted = await self.post_grant(order)
        assert granted.state == "granted"
        return order

    # The books, as somebody from outside reads them.

    async def rows(self, sql: str, **given: Any) -> list[dict[str, Any]]:
        async with self.database.reading() as session:
            return [dict(row) for row in (await session.execute(sa.text(sql), given)).mappings()]

    async def kinds(self, member: str) -> list[tuple[str, int]]:
        """The member's entries, the oldest first."""
        found = await self.rows(
            "select kind, points from points.entries where member_id = :m order by position", m=member
        )
        return [(row["kind"], row["points"]) for row in found]

    async def lots(self, member: str) -> list[tuple[str, int]]:
        """Kind and remaining points of the member's lots, the oldest first."""
        found = await self.rows(
            "select kind, remaining from points.lots where member_id = :m order by granted_at, lot_id", m=member
        )
        return [(row["kind"], row["remaining"]) for row in found]

    async def held_in_turn(self, orders: list[str]) -> list[str]:
        """Those of these orders for which points were held, in the order in which that was done."""
        found = await self.rows(
            "select order_id from points.entries where order_id = any(:o) and kind = 'held' "
            "group by order_id order by min(position)",
            o=orders,
        )
        return [row["order_id"] for row in found]

    async def lines(self, order: str) -> list[str]:
        """What the order's process was told."""
        found = await self.rows(
            "select subject from points.outbox where aggregate_id = :a order by position", a=f"point-grant/{order}"
        )
        return [row["subject"] for row in found]


def utc(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """A time of day in Japan."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=JST).astimezone(UTC)
