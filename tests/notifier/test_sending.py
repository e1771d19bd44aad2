"""The sender's patience: how long it waits between tries, and when it gives up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.notifier.deliveries import repository
from services.notifier.deliveries.domain import plan
from services.notifier.deliveries.models import Delivery, Notice
from services.notifier.main import wired
from services.notifier.ports import Contact, Envelope, NotNow, Ports, Purchase
from services.notifier.settings import Rules
from tests.notifier.world import PORTAL

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FAR = datetime(9000, 1, 1, tzinfo=UTC)
RULES = Rules(retry_first=timedelta(seconds=10), retry_longest=timedelta(seconds=60), most_tries=5)

_t = Delivery.table()


class Somebody:
    async def contact(self, member_id: str) -> Contact:
        return Contact("ja", f"{member_id}@example.jp", "", "")

    async def open(self, envelope_id: str) -> Envelope:
        return Envelope("mail", "hana@example.jp", "ja", "sign-up", "042137", 1, NOW)

    async def close(self, envelope_id: str, request_id: str) -> None:
        pass


class Carrier:
    """Takes nothing while it is away."""

    def __init__(self) -> None:
        self.away = True
        self.taken: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def send(self, mail: EmailMessage) -> None:
        if self.away:
            raise NotNow("smtp-451")
        self.taken.append(mail["Message-ID"])
        if self.meanwhile is not None:
            await self.meanwhile()


class NoStore:
    async def purchase(self, order_id: str) -> Purchase:
        raise AssertionError("nothing here is about an order")


class NoSms:
    async def send(self, to: str, text: str, reference: str) -> None:
        raise AssertionError("nobody here has a telephone")


class Desk:
    """Plans and tries deliveries step by step, each step in one transaction: nobody else may take them meanwhile."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.carrier = Carrier()
        ports = Ports(identity=Somebody(), store=NoStore(), mail=self.carrier, sms=NoSms())
        self.sender = wired(database, FixedClock(NOW), ports, RULES, PORTAL, b"k" * 32)

    async def planned(self, recipient: str = "", event_id: str = "") -> str:
        """An event whose delivery nobody takes yet."""
        notice = Notice(recipient=recipient or new_id("mem"), letter="points-granted", facts={"points": 1})
        event_id = event_id or new_id("evt")

        async def later(tx: AsyncSession) -> None:
            await plan(Work(tx, Caller("service", "points"), NOW), event_id, [notice])
            await tx.execute(sa.update(_t).where(_t.c.event_id == event_id).values(due_at=FAR))

        await self.database.transact(later)
        return event_id

    async def row(self, event_id: str) -> Delivery:
        async with self.database.reading() as session:
            found = (await session.execute(sa.select(_t).where(_t.c.event_id == event_id))).mappings().one()
        return Delivery.make(**found)

    async def claim(self, *events: str, most: int = 100) -> list[Delivery]:
        """Lets the deliveries of these events be due, the first one for the longest, and claims what is."""

        async def claimed(tx: AsyncSession) -> list[Delivery]:
            for event in events:
                due = sa.update(_t).where(_t.c.event_id == event).values(due_at=sa.func.statement_timestamp())
                await tx.execute(due)
            return list(await repository.claim(tx, most, RULES.sending_lease))

        return [each for each in await self.database.transact(claimed) if each.event_id in events]

    async def tried(self, event_id: str) -> tuple[Delivery, float]:
        """The delivery after one more try, and for how many seconds it rests."""
        [claimed] = await self.claim(event_id)
        before = datetime.now(UTC)
        await self.sender.deliver(claimed)
        row = await self.row(event_id)
        return row, (row.due_at - before).total_seconds()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def test_tries_follow_each_other_more_and_more_slowly_until_the_delivery_is_given_up(desk: Desk) -> None:
    event = await desk.planned()

    rests = [(await desk.tried(event))[1] for _ in range(4)]
    last, _ = await desk.tried(event)

    for rest, most in zip(rests, (10, 20, 40, 60), strict=True):
        assert 0.7 * most < rest < most + 1
    assert (last.state, last.failure, last.tries, last.ended_at) == ("given-up", "smtp-451", 5, NOW)
    assert await desk.claim(event) == []


async def test_a_claim_is_nobody_elses_until_its_lease_is_over(desk: Desk) -> None:
    event = await desk.planned()
    await desk.claim(event)

    async def again(tx: AsyncSession) -> list[str]:
        return [each.event_id for each in await repository.claim(tx, 100, timedelta(seconds=60))]

    assert event not in await desk.database.transact(again)


async def test_who_has_lost_a_claim_sends_nothing_and_changes_nothing(desk: Desk) -> None:
    event = await desk.planned()
    [slow] = await desk.claim(event)
    await desk.claim(event)
    desk.carrier.away = False

    await desk.sender.deliver(slow)

    row = await desk.row(event)
    assert desk.carrier.taken == []
    assert (row.state, row.tries) == ("planned", 2)


async def test_what_was_sent_is_marked_although_the_claim_was_lost_meanwhile(desk: Desk) -> None:
    event = await desk.planned()
    [claimed] = await desk.claim(event)
    desk.carrier.away = False
    desk.carrier.meanwhile = lambda: desk.claim(event)

    await desk.sender.deliver(claimed)

    row = await desk.row(event)
    assert desk.carrier.taken == [f"<{row.id}@ruum.me>"]
    assert (row.state, row.tries) == ("sent", 2)


async def test_a_code_goes_before_what_has_waited_longer(desk: Desk) -> None:
    waiting = [await desk.planned() for _ in range(3)]
    code = await desk.planned(new_id("env"))

    assert [each.event_id for each in await desk.claim(*waiting, code, most=1)] == [code]


async def test_an_event_is_planned_once_for_a_recipient(desk: Desk) -> None:
    member = new_id("mem")
    event = await desk.planned(member)

    await desk.planned(member, event)

    assert (await desk.row(event)).recipient == member
