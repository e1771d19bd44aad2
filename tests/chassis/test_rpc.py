from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import structlog
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deploy.local.ports import LOOPBACK, free_port
from services.chassis import rpc
from services.chassis.caller import KeyRing
from services.chassis.clock import FixedClock
from services.chassis.door import caller
from services.chassis.errors import AWAY, Crowded, Defect, Kind, NotFound, RuumError, TooLate, Unavailable
from services.chassis.rpc import Server
from services.chassis.webhooks import WebhookForged
from tests.support.callers import Keys, member
from tests.support.contexts import Served
from tests.support.contracts import Stub, add, contract, serving
from tests.support.waiting import until

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ECHOES = contract("""
message Question { string text = 1; }
message Answer { string text = 1; }
service EchoService {
  rpc Ask(Question) returns (Answer) {
    option (ruum.common.v1.callers) = "store";
    option (ruum.common.v1.callers) = "member";
  }
}
""")
SERVICE = ECHOES.services_by_name["EchoService"]
Answer = GetMessageClass(ECHOES.message_types_by_name["Answer"])


class Echo:
    """Answers what a test wants; notes each time that it was reached."""

    def __init__(self) -> None:
        self.reached: list[float] = []
        self.answers: Callable[[Any], Any] = lambda context: caller().principal

    async def __call__(self, request: Any, context: Any) -> Any:
        self.reached.append(time.monotonic())
        said = self.answers(context)
        return Answer(text=str(await said if asyncio.iscoroutine(said) else said))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def running(keys: Keys, clock: FixedClock, echo: Echo) -> AsyncIterator[Served]:
    async with serving("echo", keys.ring(clock), SERVICE, {"Ask": echo}) as (running, _):
        yield running


@pytest.fixture
async def ask(running: Served, keys: Keys, clock: FixedClock) -> AsyncIterator[Stub]:
    """As the store asks."""
    async with keys.channel("store", running.address, "echo", clock) as channel:
        yield Stub(channel, SERVICE)


def failing(failures: list[RuumError]) -> Callable[[Any], str]:
    def answer(context: Any) -> str:
        if failures:
            raise failures.pop()
        return "well"

    return answer


# Asking


async def test_a_service_shows_its_own_token_where_it_speaks_for_nobody(ask: Stub) -> None:
    assert (await ask("Ask")).text == "service:store"


async def test_a_token_that_a_call_brings_is_left_as_it_is(ask: Stub, keys: Keys, clock: FixedClock) -> None:
    assert (await ask("Ask", metadata=keys.metadata(member("mem_1"), "echo", clock))).text == "member:mem_1"


async def test_a_failure_of_a_neighbour_is_raised_under_its_name(ask: Stub, echo: Echo) -> None:
    echo.answers = failing([NotFound(which="jar")])

    with pytest.raises(RuumError) as told:
        await ask("Ask")

    assert (told.value.kind, told.value.code, told.value.params) == (Kind.NOT_FOUND, "not-found", {"which": "jar"})


async def test_a_call_that_may_not_have_arrived_is_made_again(ask: Stub, echo: Echo) -> None:
    echo.answers = failing([Unavailable(), Unavailable()])

    assert (await ask("Ask")).text == "well"
    assert len(echo.reached) == 3


async def test_a_neighbour_that_stays_away_is_given_up_soon(ask: Stub, echo: Echo) -> None:
    echo.answers = failing([Unavailable() for _ in range(9)])

    with pytest.raises(RuumError) as told:
        await ask("Ask")

    assert told.value.kind is Kind.UNAVAILABLE
    assert len(echo.reached) == 4
    assert echo.reached[-1] - echo.reached[0] < 3


@pytest.mark.parametrize("failure", [Crowded(), NotFound(), Defect()])
async def test_a_call_that_was_answered_is_not_made_again_by_itself(ask: Stub, echo: Echo, failure: RuumError) -> None:
    echo.answers = failing([failure])

    with pytest.raises(RuumError):
        await ask("Ask")

    assert len(echo.reached) == 1


async def test_where_everything_fails_nothing_is_tried_again(ask: Stub, echo: Echo) -> None:
    echo.answers = failing([Unavailable() for _ in range(999)])
    for _ in range(10):
        with pytest.raises(Unavailable):
            await ask("Ask")
    echo.reached.clear()

    with pytest.raises(Unavailable):
        await ask("Ask")

    assert len(echo.reached) == 1


async def test_a_neighbour_that_is_away_does_not_keep_us_waiting(keys: Keys, clock: FixedClock) -> None:
    async with keys.channel("store", f"{LOOPBACK}:{free_port()}", "echo", clock) as channel:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await Stub(channel, SERVICE)("Ask")

    assert time.monotonic() - began < 5


async def test_a_neighbour_that_comes_back_is_found_again(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    port = free_port()
    async with keys.channel("store", f"{LOOPBACK}:{port}", "echo", clock) as channel:
        ask = Stub(channel, SERVICE)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await ask("Ask")
            server = _server(port, keys.ring(clock), echo)
            await server.grpc.start()

            async def answered() -> bool:
                try:
                    await ask("Ask")
                except Unavailable:
                    return False
                return True

            await until(answered, within=5)
            await server.grpc.stop(None)


async def test_every_call_has_a_limit(ask: Stub, echo: Echo) -> None:
    echo.answers = lambda context: context.time_remaining()

    assert 10 < float((await ask("Ask")).text) < 16
    assert 1 < float((await ask("Ask", timeout=2)).text) < 3


async def test_a_limit_that_has_passed_has_a_name(ask: Stub, echo: Echo) -> None:
    echo.answers = lambda context: asyncio.sleep(5)

    with pytest.raises(TooLate):
        await ask("Ask", timeout=0.2)


async def test_a_token_that_was_overtaken_by_the_clock_is_replaced_unseen(
    ask: Stub, echo: Echo, clock: FixedClock, keys: Keys, running: Served
) -> None:
    """The clock is moved between our signing and their looking."""
    behind = FixedClock(NOW)
    async with keys.channel("store", running.address, "echo", behind) as channel:
        slow = Stub(channel, SERVICE)
        await slow("Ask")
        clock.advance(timedelta(days=30))
        call = slow("Ask")
        behind.advance(timedelta(days=30))

        assert (await call).text == "service:store"


async def test_a_token_of_a_key_that_was_replaced_is_replaced_unseen(
    tmp_path: Path, clock: FixedClock, echo: Echo
) -> None:
    keys, anew = Keys(tmp_path / "keys"), Keys(tmp_path / "anew")
    async with (
        serving("echo", keys.ring(clock), SERVICE, {"Ask": echo}) as (running, _),
        keys.channel("store", running.address, "echo", clock) as channel,
    ):
        ask = Stub(channel, SERVICE)
        await ask("Ask")

        anew.private["store"].replace(keys.private["store"])
        (anew.public / "store.json").replace(keys.public / "store.json")

        assert (await ask("Ask")).text == "service:store"


async def test_a_service_that_is_not_believed_does_not_pass_for_an_unknown_member(
    keys: Keys, clock: FixedClock, running: Served
) -> None:
    wrong = FixedClock(NOW - timedelta(hours=1))
    async with keys.channel("store", running.address, "echo", wrong) as channel:
        with pytest.raises(Defect):
            await Stub(channel, SERVICE)("Ask")


async def test_somebody_else_who_is_not_believed_is_no_defect_of_ours(ask: Stub, echo: Echo) -> None:
    echo.answers = failing([WebhookForged()])

    with pytest.raises(RuumError) as told:
        await ask("Ask")

    assert (told.value.kind, told.value.code) == (Kind.UNAUTHENTICATED, "webhook-forged")
    assert len(echo.reached) == 1


async def test_a_member_who_is_not_believed_hears_so(ask: Stub, keys: Keys) -> None:
    late = keys.metadata(member("mem_1"), "echo", FixedClock(NOW - timedelta(hours=1)))

    with pytest.raises(RuumError) as told:
        await ask("Ask", metadata=late)

    assert told.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.rule("OP-31")
async def test_the_id_of_a_request_goes_along_from_service_to_service(
    keys: Keys, clock: FixedClock, running: Served, echo: Echo
) -> None:
    echo.answers = lambda context: structlog.contextvars.get_contextvars()["request_id"]
    async with keys.channel("store", running.address, "echo", clock) as onwards:

        async def pass_on(request: Any, context: Any) -> Any:
            return await Stub(onwards, SERVICE)("Ask")

        async with serving("front", keys.ring(clock), SERVICE, {"Ask": pass_on}) as (_, front):
            metadata = keys.metadata(member("mem_1"), "front", clock, request_id="req_of_the_browser")
            answers = {(await front("Ask", metadata=metadata)).text for _ in range(2)}
            answers.add((await front("Ask", metadata=keys.metadata(member("mem_1"), "front", clock))).text)

    assert "req_of_the_browser" in answers
    assert len(answers) == 2


async def test_a_call_onwards_takes_no_longer_than_the_caller_allows_and_leaves_time_to_answer(
    keys: Keys, clock: FixedClock, running: Served, echo: Echo
) -> None:
    echo.answers = lambda context: asyncio.sleep(5)
    async with keys.channel("store", running.address, "echo", clock) as onwards:

        async def without_it(request: Any, context: Any) -> Any:
            try:
                return await Stub(onwards, SERVICE)("Ask")
            except AWAY:
                return Answer(text="without it")

        async with serving("front", keys.ring(clock), SERVICE, {"Ask": without_it}) as (_, front):
            metadata = keys.metadata(member("mem_1"), "front", clock)
            said = [(await front("Ask", metadata=metadata, timeout=seconds)).text for seconds in (1, 0.19)]

    assert said == ["without it"] * 2
    assert len(echo.reached) == 1


# Serving


def _server(port: int, keys: KeyRing, echo: Echo, metrics_listen: str | None = None) -> Server:
    server = Server("echo", f"{LOOPBACK}:{port}", keys, [SERVICE], metrics_listen)
    add(SERVICE, {"Ask": echo})(server.grpc)
    return server


@asynccontextmanager
async def until_told(server: Server) -> AsyncIterator[asyncio.Task[None]]:
    """The server as a process runs it, until it is told to stop."""
    serving = asyncio.create_task(server.serve())
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{server.port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 5)
    yield serving
    if not serving.done():
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 10)


async def test_calls_under_way_are_finished_before_a_server_stops(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    server = _server(0, keys.ring(clock), echo)
    echo.answers = lambda context: asyncio.sleep(1, "at last")
    async with until_told(server) as serving:
        async with keys.channel("store", f"{LOOPBACK}:{server.port}", "echo", clock) as channel:
            under_way = asyncio.ensure_future(Stub(channel, SERVICE)("Ask"))

            async def reached() -> bool:
                return bool(echo.reached)

            await until(reached)
            os.kill(os.getpid(), signal.SIGTERM)

            assert (await under_way).text == "at last"
        await asyncio.wait_for(serving, 5)


async def test_whether_a_server_serves_is_asked_without_a_token(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    server = _server(0, keys.ring(clock), echo)
    async with until_told(server), grpc.aio.insecure_channel(f"{LOOPBACK}:{server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)

        answer = await health.Check(health_pb2.HealthCheckRequest())

        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_server_tells_what_it_serves(running: Served) -> None:
    channel: Any = running.channel
    ask: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = ask.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))

    answer = await call.read()

    assert SERVICE.full_name in {each.name for each in answer.list_services_response.service}


@pytest.mark.rule("OP-31")
async def test_a_server_answers_its_metrics_where_it_is_told_to(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    metrics = f"{LOOPBACK}:{free_port()}"
    server = _server(0, keys.ring(clock), echo, metrics)
    async with until_told(server), keys.channel("store", f"{LOOPBACK}:{server.port}", "echo", clock) as channel:
        await Stub(channel, SERVICE)("Ask")
        async with httpx.AsyncClient() as http:
            shown = (await http.get(f"http://{metrics}/metrics")).text

    assert f'ruum_rpc_handled_total{{code="OK",rpc="/{SERVICE.full_name}/Ask"}} 1.0' in shown


async def test_what_runs_beside_a_server_runs_as_long_as_it_does(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def beside() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server = _server(0, keys.ring(clock), echo)
    server.beside(beside)
    async with until_told(server):
        await begun.wait()
        assert not ended.is_set()

    assert ended.is_set()


async def test_a_server_ends_with_the_failure_of_what_runs_beside_it(keys: Keys, clock: FixedClock, echo: Echo) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.2)
        raise ZeroDivisionError

    server = _server(0, keys.ring(clock), echo)
    server.beside(fail)
    async with until_told(server) as serving:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(serving, 5)


async def test_hundreds_of_calls_share_one_channel(ask: Stub, echo: Echo) -> None:
    answers = await asyncio.gather(*(ask("Ask") for _ in range(300)))

    assert {answer.text for answer in answers} == {"service:store"}


def test_grpc_knows_every_option_of_ours_by_its_name() -> None:
    [library] = Path(grpc.__file__).parent.glob("_cython/cygrpc*.so")
    known = library.read_bytes()

    unheard = [name for name, _ in (*rpc._KEPT_OPEN, *rpc._SERVED) if name.encode() + b"\0" not in known]

    assert unheard == []
