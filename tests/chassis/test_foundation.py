"""What every main lays first, on real servers: it starts while others are away and leaves nothing open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from google.protobuf.message_factory import GetMessageClass

from deploy.local.child import running
from deploy.local.nats import Nats
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import Postgres
from ruum.points.v1 import events_pb2, points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceServicer, add_PointsServiceServicer_to_server
from services.chassis.clock import SystemClock
from services.chassis.door import caller
from services.chassis.foundation import ContextSettings, Contract, Foundation
from services.chassis.idempotency import Work
from services.chassis.rpc import Server
from services.chassis.stream import Handlers
from tests.support import logs, streams
from tests.support.callers import Keys, member
from tests.support.contracts import Stub, add, contract
from tests.support.jars import Jars, PutCoins, jars_in, new_jar
from tests.support.waiting import until

ECHOES = contract("""
message Question {}
message Answer { string text = 1; }
service EchoService {
  rpc Ask(Question) returns (Answer) { option (ruum.common.v1.callers) = "points"; }
}
""")
SERVICE = ECHOES.services_by_name["EchoService"]
Answer = GetMessageClass(ECHOES.message_types_by_name["Answer"])


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    with logs.kept():
        yield


@pytest.fixture
def nats(tmp_path: Path) -> Nats:
    """A server of the test's own, which does not run yet."""
    return streams.stopped(tmp_path)


def founded(name: str, jars: Jars, keys: Keys, nats: Nats) -> Foundation:
    """As the main of a service lays it; the jars are its context's data."""
    url = jars.database.engine.url.update_query_dict({"application_name": f"foundation-{name}"})
    settings = ContextSettings.model_validate(
        {
            "deployment": "test",
            "listen": f"{LOOPBACK}:0",
            "keys_dir": keys.public,
            "signing_key_file": keys.private[name],
            "request_key": "r" * 32,
            "database_url": url.render_as_string(hide_password=False),
            "nats_url": nats.url(name),
        }
    )
    tables = jars.tables.requests, jars.tables.outbox, jars.tables.inbox
    foundation = Foundation(name, settings, events_pb2, tables)
    jars.commands = foundation.commands
    return foundation


@asynccontextmanager
async def serving(foundation: Foundation, hears: Handlers | None = None) -> AsyncIterator[None]:
    stopped = asyncio.Event()

    async def until_stopped() -> None:
        await stopped.wait()

    async with foundation:
        served = asyncio.ensure_future(foundation.serve(hears=hears, beside=[until_stopped]))
        try:
            yield
        finally:
            stopped.set()
            await served


@pytest.fixture
async def teller(postgres: Postgres) -> AsyncIterator[Jars]:
    async with jars_in(postgres) as jars:
        yield jars


@pytest.fixture
async def hearer(postgres: Postgres) -> AsyncIterator[Jars]:
    async with jars_in(postgres) as jars:
        yield jars


@pytest.mark.rule("OP-10")
async def test_services_start_while_the_stream_is_away_and_what_was_told_meanwhile_arrives(
    teller: Jars, hearer: Jars, keys: Keys, nats: Nats
) -> None:
    heard: list[int] = []

    async def hear(_: Work, told: events_pb2.PointsGranted) -> None:
        heard.append(told.points)

    points, store = founded("points", teller, keys, nats), founded("store", hearer, keys, nats)
    hears = {events_pb2.PointsGranted: hear}

    async with AsyncExitStack() as until_the_end:
        await until_the_end.enter_async_context(serving(points))
        await until_the_end.enter_async_context(serving(store, hears))
        await teller.put(member("mem_1"), PutCoins(request_id="r", jar=new_jar(), coins=3))
        assert heard == []

        await until_the_end.enter_async_context(running(nats.program()))
        await nats.create_stream()

        await until(lambda: _is(heard, [3]), within=30)


async def test_a_service_is_known_to_its_neighbours_by_its_name(teller: Jars, keys: Keys, nats: Nats) -> None:
    foundation = founded("points", teller, keys, nats)
    echo = Server("echo", f"{LOOPBACK}:0", keys.ring(SystemClock()), [SERVICE])
    add(SERVICE, {"Ask": _who})(echo.grpc)
    await echo.grpc.start()

    async with foundation:
        channel = foundation.channel(f"{LOOPBACK}:{echo.port}", "echo")

        assert (await Stub(channel, SERVICE)("Ask")).text == "service:points"

    await echo.grpc.stop(None)


async def test_a_service_that_ends_by_a_mistake_leaves_nothing_open(teller: Jars, keys: Keys, nats: Nats) -> None:
    async def fails() -> None:
        await teller.put(member("mem_1"), PutCoins(request_id="r", jar=new_jar(), coins=3))
        assert await _connections(teller) == 1
        raise ZeroDivisionError

    async with founded("points", teller, keys, nats) as foundation:
        channel = foundation.channel(f"{LOOPBACK}:{free_port()}", "echo")
        with pytest.raises(ZeroDivisionError):
            await foundation.serve(beside=[fails])

    await until(lambda: _none_left(teller))
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        await Stub(channel, SERVICE)("Ask")


def test_a_service_that_lacks_a_method_of_its_contract_does_not_start() -> None:
    half = type("Half", (PointsServiceServicer,), {"GetBalance": _who})

    with pytest.raises(TypeError, match=r"^Half lacks ListEntries, Hold, ") as refused:
        Contract(half(), add_PointsServiceServicer_to_server, points_pb2)

    assert "GetBalance" not in str(refused.value)


async def _who(_request: Any, _context: Any) -> Any:
    return Answer(text=caller().principal)


async def _is(found: list[int], wanted: list[int]) -> bool:
    return found == wanted


async def _connections(jars: Jars) -> int:
    open_ones = sa.text("select count(*) from pg_stat_activity where application_name = 'foundation-points'")
    async with jars.database.reading() as session:
        return int(await session.scalar(open_ones) or 0)


async def _none_left(jars: Jars) -> bool:
    return await _connections(jars) == 0
