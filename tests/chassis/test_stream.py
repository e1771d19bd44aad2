from __future__ import annotations

import asyncio
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nats.aio.client import Client

from deploy.local.child import Child
from deploy.local.nats import ADMIN, Nats
from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from ruum.points.v1 import events_pb2
from services import CONTEXTS
from services.chassis import stream
from services.chassis.errors import Unavailable
from services.chassis.events import Event
from services.chassis.idempotency import Work
from services.chassis.relay import Relay
from services.chassis.stream import Consumer, Publisher
from tests.support.jars import NOW, Jars, PointsGranted, jars_in, new_jar
from tests.support.waiting import until

SUBJECT = "ruum.points.points_granted.v1"


class Server:
    """A NATS server of these tests' own: they kill it and take its memory."""

    def __init__(self, folder: Path) -> None:
        passwords = {name: f"{name}-test" for name in (ADMIN, *CONTEXTS)}
        self.folder = folder / "nats"
        self.nats = Nats(self.folder, free_port(), passwords, log=folder / "log")
        self.child = Child(self.nats.program())

    async def start(self) -> None:
        await self.child.start()
        await self.child.until_ready(20)
        await self.nats.create_stream()

    async def kill(self) -> None:
        self.child.kill()
        await self.child.wait()


@pytest.fixture(scope="module")
async def running_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("stream"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def server(running_server: Server) -> Server:
    """With an empty stream."""
    async with connected(running_server, ADMIN) as admin:
        await admin.jetstream().purge_stream(stream.STREAM)
    return running_server


@pytest.fixture
async def teller(postgres: Postgres) -> AsyncIterator[Jars]:
    """The context that tells."""
    async with jars_in(postgres) as jars:
        yield jars


@pytest.fixture
async def hearer(postgres: Postgres) -> AsyncIterator[Jars]:
    """The context that hears of it, with jars of its own."""
    async with jars_in(postgres) as jars:
        yield jars


@asynccontextmanager
async def connected(server: Server, user: str) -> AsyncIterator[Client]:
    client = await stream.connect(server.nats.url(user), user)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def beside(*runs: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(run()) for run in runs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class CoinHeard(Event):
    """What the hearer tells in turn."""

    order_id: str
    points: int


CoinHeard.__name__ = "PointsGranted"


class Ear:
    """Puts every coin that it hears of into a jar of the hearer's, unless a test has something against it."""

    def __init__(self, jars: Jars) -> None:
        self.jars = jars
        self.heard: list[tuple[str, int]] = []
        self.trouble: dict[str, Exception] = {}

    async def __call__(self, work: Work, told: events_pb2.PointsGranted) -> None:
        jar = told.header.aggregate_id
        j = self.jars.tables.jars
        self.heard.append((jar, told.points))
        more = sa.dialects.postgresql.insert(j).values(id=jar, coins=told.points)
        add = more.on_conflict_do_update(index_elements=[j.c.id], set_={"coins": j.c.coins + more.excluded.coins})
        await work.tx.execute(add)
        work.tell(CoinHeard(aggregate_id=jar, order_id=jar, points=told.points))
        if jar in self.trouble:
            raise self.trouble[jar]

    def consumer(self, client: Client, name: str = "") -> Consumer:
        jars = self.jars
        handlers = {events_pb2.PointsGranted: self}
        name = name or f"hearer{uuid.uuid4().hex[:8]}"
        return Consumer(name, "points", client, jars.database, jars.outbox, jars.tables.inbox, jars.clock, handlers)

    async def has(self, coins: dict[str, int], within: float = 15) -> None:
        async def heard_all() -> bool:
            return {jar: await self.jars.coins(jar) for jar in coins} == coins

        await until(heard_all, within)


@pytest.fixture
def ear(hearer: Jars) -> Ear:
    return Ear(hearer)


async def tell(jars: Jars, *coins: tuple[str, int]) -> None:
    told = [PointsGranted(aggregate_id=jar, order_id=jar, points=points) for jar, points in coins]
    await jars.database.transact(lambda tx: jars.outbox.write(tx, told, [], NOW))
    jars.outbox.wake("event")


def event(jar: str, version: int, points: int = 1) -> bytes:
    told = events_pb2.PointsGranted(order_id=jar, points=points)
    told.header.aggregate_id, told.header.aggregate_version = jar, version
    return told.SerializeToString()


async def publish(client: Client, *payloads: bytes) -> None:
    for payload in payloads:
        await client.jetstream().publish(SUBJECT, payload)


def relay(jars: Jars, client: Client) -> Relay:
    return Relay(jars.database, jars.outbox, "event", Publisher(client))


@pytest.fixture
async def told_and_heard(server: Server, teller: Jars, ear: Ear) -> AsyncIterator[tuple[Client, Client]]:
    """A relay and a consumer run; the connections of the teller and the hearer."""
    async with (
        connected(server, "points") as points,
        connected(server, "store") as store,
        beside(relay(teller, points).run, ear.consumer(store).run),
    ):
        yield points, store


@pytest.mark.rule("OP-10")
@pytest.mark.usefixtures("told_and_heard")
async def test_what_is_told_is_heard_once_and_in_order(teller: Jars, ear: Ear) -> None:
    one, other = new_jar(), new_jar()
    for coin in range(1, 6):
        await tell(teller, (one, coin), (other, 10 * coin))

    await ear.has({one: 15, other: 150})

    assert [coins for jar, coins in ear.heard if jar == one] == [1, 2, 3, 4, 5]
    assert [version for version, _ in await ear.jars.told(one)] == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("told_and_heard")
async def test_what_is_told_is_heard_at_once(teller: Jars, ear: Ear) -> None:
    for _ in range(5):
        jar = new_jar()
        await tell(teller, (jar, 1))
        await ear.has({jar: 1}, within=1)


@pytest.mark.rule("OP-10")
async def test_an_event_that_comes_again_changes_nothing(told_and_heard: tuple[Client, Client], ear: Ear) -> None:
    points, _ = told_and_heard
    jar, last = new_jar(), new_jar()

    await publish(points, event(jar, 1, 5), event(jar, 1, 5), event(jar, 2, 7), event(jar, 1, 5), event(jar, 2, 7))
    await publish(points, event(last, 1))
    await ear.has({last: 1})

    assert await ear.jars.coins(jar) == 12
    assert [coins for name, coins in ear.heard if name == jar] == [5, 7]


@pytest.mark.rule("OP-10")
async def test_events_are_taken_in_their_order_however_they_come(
    told_and_heard: tuple[Client, Client], ear: Ear
) -> None:
    points, _ = told_and_heard
    jar = new_jar()

    await publish(points, event(jar, 3, 3), event(jar, 2, 2), event(jar, 4, 4), event(jar, 1, 1))
    await ear.has({jar: 10})

    assert [coins for _, coins in ear.heard] == [1, 2, 3, 4]


async def test_a_missing_event_holds_up_its_own_aggregate_only(told_and_heard: tuple[Client, Client], ear: Ear) -> None:
    points, _ = told_and_heard
    jar, other = new_jar(), new_jar()

    await publish(points, event(jar, 1), event(jar, 3), event(other, 1), event(other, 2))
    await ear.has({jar: 1, other: 2})
    await asyncio.sleep(0.5)
    assert await ear.jars.coins(jar) == 1

    await publish(points, event(jar, 2))
    await ear.has({jar: 3})


async def test_an_event_that_cannot_be_taken_holds_up_its_own_aggregate_only(
    told_and_heard: tuple[Client, Client], ear: Ear
) -> None:
    points, _ = told_and_heard
    bad, good = new_jar(), new_jar()
    ear.trouble[bad] = ValueError("a mistake of ours")

    await publish(points, *(event(bad, version) for version in range(1, 251)), event(good, 1), event(good, 2))

    await ear.has({good: 2}, within=40)
    assert await ear.jars.coins(bad) is None
    assert await ear.jars.told(bad) == []


async def test_an_event_that_could_not_be_taken_is_taken_when_it_can(
    told_and_heard: tuple[Client, Client], ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_LONGEST_PAUSE_SECONDS", 0.4)
    points, _ = told_and_heard
    jar = new_jar()
    ear.trouble[jar] = ValueError("a mistake of ours")
    await publish(points, *(event(jar, version) for version in range(1, 4)))
    await asyncio.sleep(1)

    ear.trouble.clear()

    await ear.has({jar: 3})
    assert [version for version, _ in await ear.jars.told(jar)] == [1, 2, 3]


async def test_a_consumer_outlives_its_database(told_and_heard: tuple[Client, Client], ear: Ear) -> None:
    points, _ = told_and_heard
    jar = new_jar()
    ear.trouble[jar] = Unavailable()
    await publish(points, event(jar, 1))
    await asyncio.sleep(1)

    ear.trouble.clear()

    await ear.has({jar: 1})


async def test_an_event_that_cannot_be_read_holds_up_nothing(told_and_heard: tuple[Client, Client], ear: Ear) -> None:
    points, _ = told_and_heard
    jar = new_jar()

    await publish(points, b"\xff\xff\xff", event(jar, 1))

    await ear.has({jar: 1})


async def test_two_processes_of_a_consumer_take_each_event_once(server: Server, ear: Ear) -> None:
    jars = [new_jar() for _ in range(5)]
    other = Ear(ear.jars)
    async with AsyncExitStack() as stack:
        points, one, two = [await stack.enter_async_context(connected(server, u)) for u in ("points", "store", "store")]
        name = f"shared{uuid.uuid4().hex[:8]}"
        await stack.enter_async_context(beside(ear.consumer(one, name).run, other.consumer(two, name).run))
        await publish(points, *(event(jar, version) for version in range(1, 21) for jar in jars))
        await ear.has(dict.fromkeys(jars, 20), within=60)

    assert ear.heard
    assert other.heard


async def test_events_that_nobody_asked_for_count(server: Server, ear: Ear) -> None:
    async with connected(server, "store") as store:
        consumer = ear.consumer(store)
        jar = new_jar()
        assert await consumer.take("ruum.points.something_else.v1", event(jar, 1)) is True
        assert await consumer.take(SUBJECT, event(jar, 3)) is False
        assert await consumer.take(SUBJECT, event(jar, 2)) is True

    assert [coins for _, coins in ear.heard] == [1]


async def test_what_is_told_while_the_stream_is_away_is_heard_when_it_is_back(
    server: Server, told_and_heard: tuple[Client, Client], teller: Jars, ear: Ear
) -> None:
    jar = new_jar()
    await tell(teller, (jar, 1))
    await ear.has({jar: 1})

    await server.kill()
    for _ in range(10):
        await tell(teller, (jar, 1))
    await asyncio.sleep(1)
    await server.start()

    await ear.has({jar: 11}, within=40)
    assert [version for version, _ in await ear.jars.told(jar)] == list(range(1, 12))


@pytest.mark.rule("OP-10")
async def test_a_relay_killed_between_publishing_and_noting_it_tells_nothing_twice(
    server: Server, teller: Jars, ear: Ear
) -> None:
    jar = new_jar()
    await tell(teller, (jar, 1), (jar, 2))
    url = teller.database.engine.url.render_as_string(hide_password=False)
    given = [url, str(teller.tables.outbox.schema), server.nats.url("points")]
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.dying_relay", *given, stdout=asyncio.subprocess.PIPE
    )
    assert dying.stdout is not None
    assert await dying.stdout.readline() == b"published 2\n"
    dying.kill()
    await dying.wait()
    assert all(row["handed_on_at"] is None for row in await teller.outbox_rows())

    async with connected(server, "points") as points, connected(server, "store") as store:
        before = (await points.jetstream().stream_info(stream.STREAM)).state.messages
        async with beside(relay(teller, points).run, ear.consumer(store).run):
            await ear.has({jar: 3})

            async def noted() -> bool:
                return all(row["handed_on_at"] for row in await teller.outbox_rows())

            await until(noted)
        after = (await points.jetstream().stream_info(stream.STREAM)).state.messages

    assert after == before
    assert ear.heard == [(jar, 1), (jar, 2)]


@pytest.mark.rule("QA-08")
async def test_a_stream_that_was_lost_is_told_again_and_nothing_happens_twice(
    server: Server, told_and_heard: tuple[Client, Client], teller: Jars, ear: Ear
) -> None:
    one, other = new_jar(), new_jar()
    await tell(teller, (one, 1), (other, 1), (one, 1))
    await ear.has({one: 2, other: 1})

    await server.kill()
    await tell(teller, (one, 1))
    shutil.rmtree(server.folder / "jetstream")
    await server.start()
    await teller.outbox.tell_again(teller.database)
    teller.outbox.wake("event")
    await tell(teller, (other, 1))

    await ear.has({one: 3, other: 2}, within=40)
    points, _ = told_and_heard
    assert len(ear.heard) == 5

    async def all_there() -> bool:
        return (await points.jetstream().stream_info(stream.STREAM)).state.messages >= 5

    await until(all_there)


async def test_a_context_publishes_nothing_in_anothers_name(
    server: Server, teller: Jars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_PUBLISH_PATIENCE_SECONDS", 0.5)
    await tell(teller, (new_jar(), 1))

    async with connected(server, "store") as store:
        with pytest.raises(Unavailable):
            await relay(teller, store).drain()

    assert all(row["handed_on_at"] is None for row in await teller.outbox_rows())


async def test_a_row_that_is_refused_stops_those_behind_it(server: Server, teller: Jars) -> None:
    """The stream limits the size of a message; what was before it has arrived."""
    jar = new_jar()
    await tell(teller, (jar, 1), (jar, 2), (jar, 3))
    rows: list[dict[str, Any]] = [dict(row) for row in await teller.outbox_rows()]
    rows[1]["payload"] = b"\0" * 2_000_000

    async with connected(server, "points") as points:
        assert await Publisher(points)(rows) == [rows[0]["position"]]
        with pytest.raises(Unavailable):
            await Publisher(points)(rows[1:])
