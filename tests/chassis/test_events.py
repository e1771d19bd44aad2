from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local.postgres import Postgres
from ruum.store.v1 import events_pb2
from services.chassis import relay as relays
from services.chassis.errors import Unavailable
from services.chassis.events import Event, Outbox, ProcessLine, message
from services.chassis.relay import Relay
from tests.support.callers import member
from tests.support.jars import NOW, Jars, PointsGranted, PutCoins, jars_in, new_jar
from tests.support.waiting import until

ANNA = member("mem_anna")
Rows = Sequence[Mapping[str, Any]]


@pytest.fixture
async def jars(postgres: Postgres) -> AsyncIterator[Jars]:
    async with jars_in(postgres) as jars:
        yield jars


def granted(jar: str, points: int = 1) -> PointsGranted:
    return PointsGranted(aggregate_id=jar, member_id="mem_anna", order_id=jar, points=points)


def line(key: str, action: str = "start", grace_seconds: int = 0) -> ProcessLine:
    return ProcessLine(process="jar", key=key, action=action, grace_seconds=grace_seconds)


async def tell(jars: Jars, *told: Event | ProcessLine) -> None:
    facts = [each for each in told if isinstance(each, Event)]
    lines = [each for each in told if isinstance(each, ProcessLine)]
    await jars.database.transact(lambda tx: jars.outbox.write(tx, facts, lines, NOW))
    jars.outbox.wake("event")


class Receiver:
    """What is at the other end of relays; it takes its time, and takes nothing or less when told so."""

    def __init__(self, slow: float = 0.0) -> None:
        self.got: dict[str, list[tuple[int | None, str]]] = defaultdict(list)
        self.away = False
        self.takes_not: set[str] = set()
        self.slow = slow
        self.called = asyncio.Event()

    async def __call__(self, rows: Rows) -> Sequence[int]:
        self.called.set()
        if self.away:
            raise Unavailable
        arrived = []
        for row in rows:
            await asyncio.sleep(self.slow * random.random())
            if row["aggregate_id"] in self.takes_not:
                continue
            self.got[row["aggregate_id"]].append((row["aggregate_version"], row["subject"]))
            arrived.append(row["position"])
        return arrived

    def versions(self, aggregate: str) -> list[int | None]:
        return [version for version, _ in self.got[aggregate]]


def relay(jars: Jars, receiver: Receiver, kind: str = "event") -> Relay:
    return Relay(jars.database, jars.outbox, kind, receiver)


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_handed_on(jars: Jars, kind: str = "event") -> None:
    async def none_waits() -> bool:
        return all(row["handed_on_at"] for row in await jars.outbox_rows(kind))

    await until(none_waits, within=20)


class OrderDispatched(Event):
    order_id: str
    dispatched_at: datetime


class DispatchPromised(Event):
    order_id: str
    promised_on: date


@pytest.mark.rule("OP-10")
async def test_an_event_carries_what_happened_when_and_its_turn(jars: Jars) -> None:
    store = Outbox("store", events_pb2, jars.tables.outbox)
    sent = OrderDispatched(aggregate_id="ord_1", member_id="mem_1", order_id="ord_1", dispatched_at=NOW)
    promised = DispatchPromised(aggregate_id="ord_1", order_id="ord_1", promised_on=date(2026, 5, 7))

    await jars.database.transact(lambda tx: store.write(tx, [promised, sent], [], NOW))
    first, second = await jars.outbox_rows()

    assert second["subject"] == "ruum.store.order_dispatched.v1"
    told = events_pb2.OrderDispatched.FromString(message(second))
    assert told.header.event_id == second["message_id"]
    assert told.header.aggregate_id == "ord_1"
    assert told.header.aggregate_version == 2
    assert told.header.member_id == "mem_1"
    assert told.header.occurred_at.ToDatetime(NOW.tzinfo) == NOW
    assert told.dispatched_at.ToDatetime(NOW.tzinfo) == NOW
    assert events_pb2.DispatchPromised.FromString(message(first)).promised_on.iso == "2026-05-07"


async def test_events_of_one_transaction_are_counted_one_by_one_for_each_aggregate(jars: Jars) -> None:
    await tell(jars, granted("a", 1), granted("b", 1), granted("a", 2), granted("a", 3))
    await tell(jars, granted("b", 2), granted("a", 4))

    assert await jars.told("a") == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert await jars.told("b") == [(1, 1), (2, 2)]


async def test_what_is_rolled_back_takes_no_number(jars: Jars) -> None:
    await tell(jars, granted("a"))

    async def fails(tx: AsyncSession) -> None:
        await jars.outbox.write(tx, [granted("a"), granted("a")], [], NOW)
        raise Unavailable

    with pytest.raises(Unavailable):
        await jars.database.transact(fails)
    await tell(jars, granted("a"))

    assert [version for version, _ in await jars.told("a")] == [1, 2]


async def test_a_transaction_that_tells_nothing_leaves_no_row(jars: Jars) -> None:
    await tell(jars)

    assert await jars.outbox_rows() == await jars.outbox_rows("process") == []


@pytest.mark.rule("OP-10")
@pytest.mark.parametrize("kind", ["event", "process"])
async def test_eight_writers_and_two_relays_hand_on_everything_once_and_in_order(
    jars: Jars, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writers lock nothing before they tell of it, and the batches are too small for a jar's events."""
    monkeypatch.setattr(relays, "BATCH", 7)
    receiver = Receiver(slow=0.004)
    names = ["a", "b", "c"]

    async def write(writer: int) -> None:
        luck = random.Random(writer)
        for turn in range(20):
            several = luck.sample(names, luck.randint(1, 3))
            key = luck.choice(several)  # whose lock is held by now, as that of an order is
            await tell(jars, *map(granted, several), line(key, f"{writer:02}-{turn:02}"))

    async with running(*(relay(jars.elsewhere(), receiver, kind) for _ in range(2))):
        await asyncio.gather(*(write(writer) for writer in range(8)))
        await all_handed_on(jars, kind)

    assert receiver.got
    if kind == "event":
        for got in map(receiver.versions, receiver.got):
            assert got == list(range(1, len(got) + 1))
    written = [(row["aggregate_id"], row["subject"]) for row in await jars.outbox_rows(kind)]
    for aggregate, arrived in receiver.got.items():
        assert [subject for _, subject in arrived] == [subject for name, subject in written if name == aggregate]
    assert Counter(name for name, _ in written) == {name: len(got) for name, got in receiver.got.items()}


async def test_a_relay_takes_nothing_whose_forerunner_another_has_taken(jars: Jars) -> None:
    await tell(jars, granted("a", 1), granted("b", 1))
    slow, other = Receiver(), Receiver()
    may_go_on = asyncio.Event()

    async def holds(rows: Rows) -> Sequence[int]:
        slow.called.set()
        await may_go_on.wait()
        return await slow(rows)

    first = asyncio.create_task(Relay(jars.database, jars.outbox, "event", holds).drain())
    await slow.called.wait()
    await tell(jars, granted("a", 2), granted("c", 1))

    assert await relay(jars, other).drain() == 1
    assert list(other.got) == ["c"]
    may_go_on.set()
    assert await first == 2
    assert await relay(jars, other).drain() == 1
    assert other.versions("a") == [2]


async def test_two_relays_claim_one_after_the_other(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "BATCH", 1)
    await tell(jars, granted("a"), granted("a"))
    second = Receiver()

    async def claims_first(tx: AsyncSession) -> asyncio.Task[int]:
        assert len(await relay(jars, Receiver())._claim(tx)) == 1
        claims_meanwhile = asyncio.create_task(relay(jars.elsewhere(), second).drain())
        await asyncio.sleep(0.3)
        assert not claims_meanwhile.done()
        return claims_meanwhile

    claimed_meanwhile = await jars.database.transact(claims_first)

    assert await claimed_meanwhile == 0
    assert not second.got


async def test_a_row_that_is_not_taken_holds_up_its_own_aggregate_and_rests(jars: Jars) -> None:
    receiver = Receiver()
    receiver.takes_not = {"bad"}
    await tell(jars, granted("bad"), granted("bad"), granted("good"))

    assert await relay(jars, receiver).drain() == 1
    await tell(jars, granted("bad"), granted("good"))
    assert await relay(jars, receiver).drain() == 1
    assert receiver.versions("good") == [1, 2]

    receiver.takes_not = set()
    async with running(relay(jars, receiver)):
        await all_handed_on(jars)
    assert receiver.versions("bad") == [1, 2, 3]


async def test_a_whole_batch_that_is_not_taken_does_not_hold_up_the_next(
    jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "BATCH", 3)
    receiver = Receiver()
    receiver.takes_not = {"bad"}
    await tell(jars, *[granted("bad") for _ in range(3)], granted("good"))

    async def good_arrived() -> bool:
        return receiver.versions("good") == [1]

    async with running(relay(jars, receiver)):
        await until(good_arrived, within=0.9)


async def test_what_a_relay_leaves_behind_is_taken_over_after_its_lease(
    jars: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "LEASE_SECONDS", 1)
    await tell(jars, granted("a"), granted("a"))
    died = asyncio.create_task(Relay(jars.database, jars.outbox, "event", _never).drain())

    async def claimed() -> bool:
        return all(row["claimed_until"] for row in await jars.outbox_rows())

    await until(claimed)
    successor = Receiver()

    assert await relay(jars, successor).drain() == 0
    async with running(relay(jars, successor)):
        await all_handed_on(jars)

    assert successor.versions("a") == [1, 2]
    died.cancel()
    await asyncio.gather(died, return_exceptions=True)
    assert all(row["handed_on_at"] for row in await jars.outbox_rows())


async def _never(rows: Rows) -> Sequence[int]:
    await asyncio.sleep(3600)
    return []


async def test_a_relay_that_comes_back_too_late_settles_nothing(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "LEASE_SECONDS", 1)
    await tell(jars, granted("a"))

    async def too_slow(rows: Rows) -> Sequence[int]:
        await asyncio.sleep(1.2)
        await jars.database.transact(another_claims)
        return [row["position"] for row in rows]

    async def another_claims(tx: AsyncSession) -> None:
        t = jars.tables.outbox
        await tx.execute(sa.update(t).values(claimed_until=sa.func.now() + timedelta(seconds=9)))

    await Relay(jars.database, jars.outbox, "event", too_slow).drain()

    [row] = await jars.outbox_rows()
    assert row["handed_on_at"] is None
    assert row["claimed_until"] is not None


async def test_what_cannot_arrive_now_stays_and_arrives_later(jars: Jars) -> None:
    receiver = Receiver()
    receiver.away = True
    async with running(relay(jars, receiver)):
        await tell(jars, granted("a"), granted("a"))
        await receiver.called.wait()
        receiver.away = False
        await all_handed_on(jars)

    assert receiver.versions("a") == [1, 2]


async def test_a_relay_outlives_a_mistake_in_what_it_hands_on_with(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "_AFTER_A_MISTAKE_SECONDS", 0.1)
    receiver, mistakes = Receiver(), iter([KeyError("colour")])

    async def hand_on(rows: Rows) -> Sequence[int]:
        for mistake in mistakes:
            raise mistake
        return await receiver(rows)

    async with running(Relay(jars.database, jars.outbox, "event", hand_on)):
        await tell(jars, granted("a"))
        await all_handed_on(jars)

    assert receiver.versions("a") == [1]


async def test_a_relay_hands_on_at_once_what_its_own_process_tells(jars: Jars) -> None:
    receiver = Receiver()
    async with running(relay(jars, receiver)):
        await asyncio.sleep(0.3)  # it has found nothing and waits
        jar = new_jar()
        await jars.put(ANNA, PutCoins(request_id=jar, jar=jar, coins=1))
        async with asyncio.timeout(0.5):
            await receiver.called.wait()


async def test_a_relay_that_finds_nothing_asks_once_a_second(jars: Jars) -> None:
    asked = 0

    class Counting(Relay):
        async def _claim(self, tx: AsyncSession) -> Rows:
            nonlocal asked
            asked += 1
            return await super()._claim(tx)

    async with running(Counting(jars.database, jars.outbox, "event", Receiver())):
        await tell(jars, granted("a"))
        await all_handed_on(jars)
        await asyncio.sleep(1)

    assert asked <= 5


async def test_a_relay_finds_within_a_second_what_another_process_told(jars: Jars) -> None:
    receiver = Receiver()
    async with running(relay(jars, receiver)):
        await asyncio.sleep(0.3)
        await tell(jars.elsewhere(), granted("a"))
        async with asyncio.timeout(1.5):
            await receiver.called.wait()


async def test_a_line_is_left_for_a_while_to_whoever_wrote_it(jars: Jars) -> None:
    receiver = Receiver()
    await tell(jars, line("a", grace_seconds=1), line("a", "ask"), line("b"))

    assert await relay(jars, receiver, "process").drain() == 1
    assert list(receiver.got) == ["jar/b"]
    await asyncio.sleep(1.1)
    assert await relay(jars, receiver, "process").drain() == 2
    assert [subject for _, subject in receiver.got["jar/a"]] == ["start", "ask"]


@pytest.mark.rule("OP-10")
async def test_everything_ever_told_can_be_handed_on_again_in_order(jars: Jars) -> None:
    for turn in range(3):
        await tell(jars, granted("a", turn), granted("b", turn), line("a", f"turn-{turn}"))
    async with running(relay(jars, Receiver()), relay(jars, Receiver(), "process")):
        await all_handed_on(jars)
        await all_handed_on(jars, "process")
    anew = Receiver()

    count = await jars.outbox.tell_again(jars.database)
    async with running(relay(jars, anew)):
        await all_handed_on(jars)

    assert count == 6
    assert anew.versions("a") == anew.versions("b") == [1, 2, 3]
    assert await relay(jars, anew, "process").drain() == 0
