"""Live updates: a member's own events, in order, resumable, and never more of them than fits (PO-03)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from deploy.local import nats
from ruum.common.v1.common_pb2 import AnyEvent, EventHeader
from services.chassis import stream
from services.chassis.clock import MovableClock
from services.chassis.ids import new_id
from services.gateway.live.feed import Feed, Mark
from services.gateway.routes import events
from tests.gateway.fakes import Fake, Members
from tests.gateway.house import House, open_house
from tests.support.waiting import until


@dataclass
class Told:
    """The contexts, as they tell what happens."""

    client: Client

    async def __call__(self, member: str, aggregate: str, version: int, subject: str = "points.points_granted") -> None:
        header = EventHeader(member_id=member, aggregate_id=aggregate, aggregate_version=version)
        payload = AnyEvent(header=header).SerializeToString()
        await self.client.jetstream().publish(f"ruum.{subject}.v1", payload)


@pytest.fixture
async def tell(nats_server: nats.Nats) -> AsyncIterator[Told]:
    client = await stream.connect(nats_server.url(nats.ADMIN), "test")
    yield Told(client)
    await client.close()


class Stream:
    """A stream of events, as a browser reads it."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.last_id = ""
        self._lines = answer.aiter_lines()

    async def next(self, within: float = 5) -> dict[str, Any]:
        """The next event; raises StopAsyncIteration when the stream has ended."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(within):
            while True:
                name, _, value = (await self._lines.__anext__()).partition(": ")
                if name == "id":
                    self.last_id = value
                if not name and "data" in found:
                    return found | {"id": self.last_id, "data": json.loads(found["data"])}
                found = found | {name: value} if name else {}


@asynccontextmanager
async def watching(house: House, session: str, **headers: str) -> AsyncIterator[Stream]:
    headers["Authorization"] = f"Bearer {session}"
    async with house.http.stream("GET", "/api/v1/events", headers=headers) as answer:
        yield Stream(answer)


@pytest.fixture
async def listening(house: House) -> House:
    """The gateway, once it hears the stream."""

    async def hears() -> bool:
        return "events" not in (await house.get("/readyz")).json()["missing"]

    await until(hears)
    return house


@pytest.mark.rule("PO-03")
async def test_a_member_hears_what_happens_to_what_is_theirs(
    listening: House, session: str, members: Members, tell: Told
) -> None:
    me, order = members.who(session).name, new_id("ord")

    async with watching(listening, session) as mine:
        await tell(new_id("mem"), new_id("ord"), 1)
        await tell(me, order, 3, "store.order_placed")
        await tell("", new_id("room"), 1, "rooms.lease_changed")
        await tell(me, order, 4, "sparekey.key_ordered")
        first, second = await mine.next(), await mine.next()

    assert mine.answer.headers["content-type"] == "text/event-stream"
    assert (first["event"], first["data"]) == ("store.order_placed", {"aggregate_id": order, "version": 3})
    assert (second["event"], second["data"]) == ("sparekey.key_ordered", {"aggregate_id": order, "version": 4})


async def test_of_codes_and_letters_no_page_hears(listening: House, session: str, members: Members, tell: Told) -> None:
    me = members.who(session).name

    async with watching(listening, session) as mine:
        await tell(me, new_id("env"), 1, "identity.code_requested")
        await tell(me, me, 7)

        assert (await mine.next())["data"]["version"] == 7


@pytest.mark.rule("PO-03")
async def test_a_stream_goes_on_where_it_was_cut(listening: House, session: str, members: Members, tell: Told) -> None:
    me = members.who(session).name
    async with watching(listening, session) as mine:
        await tell(me, me, 1)
        last = (await mine.next())["id"]
    for version in (2, 3):
        await tell(me, me, version)

    async with watching(listening, session, **{"Last-Event-ID": last}) as again:
        versions = [(await again.next())["data"]["version"] for _ in range(2)]

    assert versions == [2, 3]


async def test_a_stream_that_was_cut_before_anything_happened_goes_on_too(
    listening: House, session: str, members: Members, tell: Told
) -> None:
    me = members.who(session).name
    async with watching(listening, session) as mine:
        await mine._lines.__anext__()
        begun = (await mine._lines.__anext__()).removeprefix("id: ")
    await tell(me, me, 1)

    async with watching(listening, session, **{"Last-Event-ID": begun}) as again:
        assert (await again.next())["data"]["version"] == 1


@pytest.mark.rule("PO-03")
async def test_a_stream_that_cannot_go_on_says_so(listening: House, session: str) -> None:
    async with watching(listening, session, **{"Last-Event-ID": "anotherstream-5"}) as mine:
        told = await mine.next()

    assert told["event"] == "reset"
    assert Mark.parse(told["id"])


async def test_a_cookie_opens_a_stream_and_nobody_opens_one_without(listening: House, session: str) -> None:
    cookie = {"Cookie": f"__Host-ruum={session}"}

    async with listening.http.stream("GET", "/api/v1/events", headers=cookie) as answer:
        assert answer.status_code == 200
    assert (await listening.get("/api/v1/events")).status_code == 401
    assert (await listening.get("/api/v1/events", "no-such-session-at-all")).status_code == 401
    assert (await listening.ask("HEAD", "/api/v1/events", session)).status_code == 200


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, running: House) -> None:
    monkeypatch.setattr(events.Events, "heartbeat", 0.1)


@pytest.mark.usefixtures("quick")
async def test_a_quiet_stream_shows_that_it_lives_and_where_to_go_on(
    listening: House, session: str, tell: Told
) -> None:
    async with watching(listening, session) as mine:
        lines = [await mine._lines.__anext__() for _ in range(3)]
        await tell(new_id("mem"), "other", 1)
        await asyncio.sleep(0.3)
        lines += [await mine._lines.__anext__() for _ in range(12)]

    marks = [Mark.parse(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    assert lines[0] == "retry: 2000"
    assert ":" in lines
    assert all(marks)
    assert len({mark.place for mark in marks if mark}) > 1


@pytest.mark.rule("PO-03")
@pytest.mark.usefixtures("quick")
async def test_a_stream_ends_with_its_session(
    listening: House, session: str, members: Members, clock: MovableClock
) -> None:
    async with watching(listening, session) as mine:
        members.end(session)
        clock.move(timedelta(minutes=2))  # so long its token would have been good

        with pytest.raises(StopAsyncIteration):
            await mine.next()


async def test_signing_out_ends_the_stream_at_once(listening: House, session: str) -> None:
    async with watching(listening, session) as mine:
        await listening.post("/api/v1/sessions/current", session, verb="DELETE")

        with pytest.raises(StopAsyncIteration):
            await mine.next(within=2)


@pytest.mark.usefixtures("quick")
async def test_a_stream_outlives_an_identity_that_is_away(
    listening: House, session: str, members: Members, neighbours: Mapping[str, Fake], clock: MovableClock, tell: Told
) -> None:
    me = members.who(session).name
    async with watching(listening, session) as mine:
        await neighbours["identity"].stop()
        clock.move(timedelta(minutes=2))
        await asyncio.sleep(0.5)
        await tell(me, me, 1)

        told = await mine.next()
        await neighbours["identity"].start()

    assert told["data"]["version"] == 1


async def test_a_session_watches_so_often_and_not_more(listening: House, session: str) -> None:
    async with httpx.AsyncClient(base_url=listening.url) as http:
        answers = [
            await http.send(
                http.build_request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {session}"}), stream=True
            )
            for _ in range(events.MOST_A_SESSION + 1)
        ]
        statuses = [answer.status_code for answer in answers]
        for answer in answers:
            await answer.aclose()

    assert statuses == [200] * events.MOST_A_SESSION + [429]


async def test_who_leaves_is_forgotten(listening: House, session: str, members: Members) -> None:
    async with watching(listening, session), watching(listening, session):
        pass

    async def again() -> bool:
        async with watching(listening, session) as mine:
            return mine.answer.status_code == 200

    for _ in range(events.MOST_A_SESSION * 2):
        await until(again)


async def test_a_reader_who_stops_reading_is_let_go(
    listening: House, session: str, members: Members, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_SEND_PATIENCE", 0.5)
    me = members.who(session).name
    left = asyncio.Event()
    monkeypatch.setattr(Feed, "leave", lambda _self, watcher: left.set() if watcher.member_id == me else None)
    reader, writer = await asyncio.open_connection("127.0.0.1", listening.http.base_url.port, limit=1024)
    head = f"GET /api/v1/events HTTP/1.1\r\nHost: ruum\r\nAuthorization: Bearer {session}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"retry")
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads

    async def floods() -> bool:
        await asyncio.gather(*(tell(me, "x" * 10_000, version) for version in range(50)))
        return left.is_set()

    await until(floods, within=30)
    writer.close()


# The stream itself.


async def test_a_lost_stream_is_followed_again_when_it_is_back(
    listening: House, session: str, members: Members, tell: Told, nats_server: nats.Nats
) -> None:
    me = members.who(session).name
    async with watching(listening, session) as mine:
        await tell(me, me, 1)
        await mine.next()
        await tell.client.jsm().delete_stream(stream.STREAM)
        await nats_server.create_stream()

        told = await mine.next(within=15)
        await tell(me, me, 2)
        after = await mine.next()

    assert told["event"] == "reset"
    assert after["data"]["version"] == 2


async def test_a_gateway_that_starts_knows_what_was_told_before(
    listening: House,
    session: str,
    members: Members,
    tell: Told,
    neighbours: Mapping[str, Fake],
    request: pytest.FixtureRequest,
) -> None:
    me = members.who(session).name
    async with watching(listening, session) as mine:
        await tell(me, me, 1)
        last = (await mine.next())["id"]
    await tell(me, me, 2)
    addresses = {name: fake.address for name, fake in neighbours.items()}
    keys, clock_file, url = (request.getfixturevalue(name) for name in ("keys", "clock_file", "stream_url"))

    async with open_house(addresses, keys, url, clock_file) as fresh:

        async def hears() -> bool:
            return "events" not in (await fresh.get("/readyz")).json()["missing"]

        await until(hears)
        async with watching(fresh, session, **{"Last-Event-ID": last}) as again:
            told = await again.next()

    assert told["data"]["version"] == 2
