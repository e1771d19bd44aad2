from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import grpc
import protovalidate
import pytest
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from ruum.common.v1 import common_pb2
from services.chassis import door
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.door import Door, caller
from services.chassis.errors import Kind, NotFound, RemoteError, RuumError
from services.chassis.telemetry import Telemetry
from services.texts import LANGUAGES, Texts
from tests.conventions.rules import ROOT
from tests.support.callers import Keys, member, operator, refused, service
from tests.support.contexts import Served
from tests.support.contracts import Stub, contract, serving

CLOCK = FixedClock(datetime(2026, 5, 1, tzinfo=UTC))
ANNA, WORKER = member("mem_anna"), service("worker")
LONG_AGO = datetime(2025, 5, 1, tzinfo=UTC)

JARS = contract("""
message Coin { string mint = 1 [(buf.validate.field).string.max_len = 8]; }
message PutRequest {
  string request_id = 1 [(buf.validate.field).string = {min_len: 8, max_len: 64}];
  google.protobuf.Timestamp as_of = 2;
  int64 coins = 3 [(buf.validate.field).int64 = {gt: 0, lte: 100}];
  repeated Coin coin = 4 [(buf.validate.field).repeated.max_items = 3];
  google.protobuf.Timestamp minted_at = 5;
  map<string, string> labels = 6;
}
message Jar { string seen = 1; }
service JarService {
  rpc Put(PutRequest) returns (Jar) {
    option (ruum.common.v1.callers) = "worker";
    option (ruum.common.v1.callers) = "member";
    option (ruum.common.v1.callers) = "operator";
  }
  rpc Look(PutRequest) returns (Jar) { option (ruum.common.v1.callers) = "store"; }
  rpc Forgotten(PutRequest) returns (Jar) { option (ruum.common.v1.callers) = "store"; }
}
""")
SERVICE = JARS.services_by_name["JarService"]
PUT = f"/{SERVICE.full_name}/Put"
PutRequest = GetMessageClass(JARS.message_types_by_name["PutRequest"])
Jar = GetMessageClass(JARS.message_types_by_name["Jar"])


class Jars:
    """What is behind the door: notes that it was reached, and does what a test wants done."""

    def __init__(self) -> None:
        self.reached = 0
        self.does: Any = None

    async def put(self, request: Any, context: Any) -> Any:
        self.reached += 1
        answer = await self.does(request) if self.does else ""
        return Jar(seen=answer or caller().principal)


@pytest.fixture
def jars() -> Jars:
    return Jars()


@pytest.fixture
async def running(jars: Jars, keys: Keys) -> AsyncIterator[tuple[Served, Stub]]:
    behaviours = {"Put": jars.put, "Look": jars.put}
    async with serving("jars", keys.ring(CLOCK), SERVICE, behaviours) as served_and_stub:
        yield served_and_stub


@pytest.fixture
def stub(running: tuple[Served, Stub]) -> Stub:
    return running[1]


@pytest.fixture
def telemetry(running: tuple[Served, Stub]) -> Telemetry:
    return running[0].server.telemetry


def put(**changed: Any) -> Any:
    return PutRequest(**({"request_id": "request-1", "coins": 5} | changed))


# Who


@pytest.mark.parametrize("who", [ANNA, operator("op_1"), WORKER])
async def test_a_caller_whom_the_contract_lists_is_let_in_and_known(stub: Stub, keys: Keys, who: Caller) -> None:
    answer = await stub("Put", put(), metadata=keys.metadata(who, "jars", CLOCK))

    assert answer.seen == who.principal


@pytest.mark.rule("PR-11")
@pytest.mark.parametrize(
    "who", [ANNA, operator("store"), member("store"), WORKER, service("gateway"), service("points")]
)
async def test_a_caller_whom_the_contract_does_not_list_is_refused(
    stub: Stub, keys: Keys, jars: Jars, who: Caller
) -> None:
    failure = await refused(stub("Look", put(), metadata=keys.metadata(who, "jars", CLOCK)))

    assert failure.kind is Kind.NOT_ALLOWED
    assert jars.reached == 0


@pytest.mark.rule("QA-11")
async def test_a_caller_who_shows_nothing_that_counts_here_is_unknown(stub: Stub, keys: Keys, jars: Jars) -> None:
    late = FixedClock(CLOCK.now() - timedelta(minutes=3))
    good = keys.token(service("worker"), "jars", CLOCK)
    shown = {
        "nothing": (),
        "an empty token": (("authorization", ""),),
        "no token": (("authorization", "Bearer mem_anna"),),
        "a token for another service": keys.metadata(WORKER, "points", CLOCK),
        "a token that has ended": keys.metadata(WORKER, "jars", late),
        "a token with another's signature": (("authorization", f"Bearer {good[:-8]}AAAAAAAA"),),
        "another's claim to be the worker": (
            ("authorization", f"Bearer {keys.signer('store', CLOCK).sign(WORKER, 'jars')[0]}"),
        ),
        "a member vouched for by the store": (
            ("authorization", f"Bearer {keys.signer('store', CLOCK).sign(ANNA, 'jars')[0]}"),
        ),
    }

    kinds = {name: (await refused(stub("Put", put(), metadata=metadata))).kind for name, metadata in shown.items()}

    assert kinds == dict.fromkeys(shown, Kind.UNAUTHENTICATED)
    assert jars.reached == 0


SERVICES: list[ServiceDescriptor] = [
    each
    for path in sorted((ROOT / "protos").glob("ruum/*/v1/*.proto"))
    for each in import_module(
        ".".join(path.relative_to(ROOT / "protos").with_suffix("").parts) + "_pb2"
    ).DESCRIPTOR.services_by_name.values()
]


@pytest.mark.rule("QA-11")
@pytest.mark.parametrize("ours", SERVICES, ids=lambda ours: ours.full_name)
async def test_each_method_of_ours_is_open_to_whom_it_lists_and_to_nobody_else(
    keys: Keys, ours: ServiceDescriptor
) -> None:
    async def answer(request: Any, context: Any) -> Any:
        raise NotFound

    everybody = {who.name if who.role == "service" else who.role: who for who in _everybody(keys)}
    async with serving("here", keys.ring(CLOCK), ours, dict.fromkeys(ours.methods_by_name, answer)) as (_, stub):
        for method in ours.methods:
            assert (await refused(stub(method.name))).kind is Kind.UNAUTHENTICATED
            listed = set(method.GetOptions().Extensions[common_pb2.callers])
            let_in = {
                name
                for name, who in everybody.items()
                if (await refused(stub(method.name, metadata=keys.metadata(who, "here", CLOCK)))).kind
                is not Kind.NOT_ALLOWED
            }
            assert let_in == listed, method.full_name


def _everybody(keys: Keys) -> list[Caller]:
    return [ANNA, operator("op_1"), *map(service, keys.private)]


async def test_calls_at_the_same_time_do_not_see_each_others_caller(stub: Stub, keys: Keys, jars: Jars) -> None:
    both = asyncio.Barrier(30)

    async def wait_for_all(request: Any) -> None:
        await both.wait()

    jars.does = wait_for_all
    callers = [member(f"mem_{number}") for number in range(30)]
    calls = [stub("Put", put(), metadata=keys.metadata(who, "jars", CLOCK)) for who in callers]

    assert [(await call).seen for call in calls] == [who.principal for who in callers]


# What a contract must say to be served


@pytest.mark.rule("PR-11")
def test_a_method_that_lists_nobody_does_not_start(keys: Keys) -> None:
    open_to_whom = contract("message M {} service S { rpc Do(M) returns (M); }")

    with pytest.raises(ValueError, match="names nobody"):
        Door("jars", keys.ring(CLOCK), Telemetry(), [open_to_whom.services_by_name["S"]])


@pytest.mark.parametrize("form", ["stream M) returns (M", "M) returns (stream M"])
def test_a_method_that_streams_does_not_start(keys: Keys, form: str) -> None:
    listed = 'option (ruum.common.v1.callers) = "store";'
    streaming = contract(f"message M {{}} service S {{ rpc Do({form}) {{ {listed} }} }}")

    with pytest.raises(ValueError, match="streams"):
        Door("jars", keys.ring(CLOCK), Telemetry(), [streaming.services_by_name["S"]])


def test_a_method_whose_rules_make_no_sense_does_not_start(keys: Keys) -> None:
    wrong = contract("""
      message M { string s = 1 [(buf.validate.field).int64.gt = 3]; }
      service S { rpc Do(M) returns (M) { option (ruum.common.v1.callers) = "store"; } }
    """)

    with pytest.raises(protovalidate.CompilationError):
        Door("jars", keys.ring(CLOCK), Telemetry(), [wrong.services_by_name["S"]])


async def test_a_method_that_nobody_wrote_is_not_there(stub: Stub, keys: Keys) -> None:
    call = stub("Forgotten", put(), metadata=keys.metadata(service("store"), "jars", CLOCK))
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call

    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


# When


@pytest.mark.rule("PR-05")
@pytest.mark.parametrize("who", [ANNA, operator("worker"), member("worker")])
async def test_only_the_worker_states_a_time(stub: Stub, keys: Keys, jars: Jars, who: Caller) -> None:
    failure = await refused(stub("Put", put(as_of=LONG_AGO), metadata=keys.metadata(who, "jars", CLOCK)))

    assert (failure.code, failure.kind, failure.field) == ("as-of-not-allowed", Kind.NOT_ALLOWED, "as_of")
    assert jars.reached == 0
    assert await stub("Put", put(as_of=LONG_AGO), metadata=keys.metadata(WORKER, "jars", CLOCK))


# What


@pytest.mark.rule("PR-12")
async def test_bad_input_is_answered_with_every_field_and_its_rule_and_reaches_nothing(
    stub: Stub, keys: Keys, jars: Jars
) -> None:
    wrong = put(request_id="short", coins=101, coin=[{"mint": "Tokyo"}, {"mint": "Königsberg"}])

    failure = await refused(stub("Put", wrong, metadata=keys.metadata(ANNA, "jars", CLOCK)))

    assert failure.kind is Kind.INVALID
    assert {violation.field: violation.code for violation in failure.violations} == {
        "request_id": "field-string-min-len",
        "coins": "field-int64-gt-lte",
        "coin[1].mint": "field-string-max-len",
    }
    assert jars.reached == 0


@pytest.mark.rule("PR-12")
async def test_what_is_wrong_is_said_in_every_language(stub: Stub, keys: Keys) -> None:
    wrong = put(request_id="x" * 65, coins=0, coin=[{}, {}, {}, {}])
    failure = await refused(stub("Put", wrong, metadata=keys.metadata(ANNA, "jars", CLOCK)))
    texts = Texts.load()

    said = [{texts.render(told.code, language, **told.params) for language in LANGUAGES} for told in failure.violations]

    assert [len(languages) for languages in said] == [3, 3, 3]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"request_id": "request\0one"}, "request_id"),
        ({"coin": [{}, {"mint": "\0"}]}, "coin[1].mint"),
        ({"labels": {"a": "\0"}}, "labels.a"),
        ({"labels": {"\0": "a"}}, "labels"),
        ({"minted_at": {"seconds": 253402300800}}, "minted_at"),
        ({"minted_at": {"seconds": -1}}, "minted_at"),
        ({"minted_at": {"seconds": 2**62}}, "minted_at"),
    ],
)
async def test_what_no_database_takes_and_no_calendar_counts_is_bad_input(
    stub: Stub, keys: Keys, jars: Jars, changed: dict[str, Any], field: str
) -> None:
    failure = await refused(stub("Put", put(**changed), metadata=keys.metadata(ANNA, "jars", CLOCK)))

    assert [(told.field, told.code) for told in failure.violations] == [(field, "field-invalid")]
    assert jars.reached == 0


async def test_who_may_not_ask_is_not_told_what_is_wrong_with_the_question(stub: Stub, keys: Keys) -> None:
    failure = await refused(stub("Look", put(coins=0), metadata=keys.metadata(ANNA, "jars", CLOCK)))

    assert failure.kind is Kind.NOT_ALLOWED


# How it ends


class JarBroken(RuumError):
    kind = Kind.REFUSED
    code = "test-jar-broken"


@pytest.mark.parametrize(
    "failure",
    [
        NotFound(),
        JarBroken(field="coins", retry_after=timedelta(seconds=3), left=2, jar="jar_1"),
        RemoteError(Kind.CHANGED, "changed-at-a-neighbours", version=7),
    ],
)
async def test_a_failure_arrives_under_its_name(stub: Stub, keys: Keys, jars: Jars, failure: RuumError) -> None:
    async def fail(request: Any) -> None:
        raise failure

    jars.does = fail
    arrived = await refused(stub("Put", put(), metadata=keys.metadata(ANNA, "jars", CLOCK)))

    for name in ("kind", "code", "field", "retry_after", "params"):
        assert getattr(arrived, name) == getattr(failure, name)


@pytest.mark.parametrize("mistake", [ValueError, TimeoutError, grpc.aio.AbortError, RecursionError, StopAsyncIteration])
async def test_a_mistake_of_ours_says_nothing_outside(
    stub: Stub, keys: Keys, jars: Jars, mistake: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(request: Any) -> None:
        raise mistake("mem_anna lives at 1-2-3")

    jars.does = fail
    call = stub("Put", put(), metadata=keys.metadata(ANNA, "jars", CLOCK))
    with pytest.raises(grpc.aio.AioRpcError) as answer:
        await call

    assert answer.value.code() is grpc.StatusCode.INTERNAL
    assert answer.value.details() == "defect"
    assert "anna" not in str(answer.value.trailing_metadata())
    assert "defect" in capsys.readouterr().out


async def test_a_callers_limit_ends_what_is_done_for_it(stub: Stub, keys: Keys, jars: Jars) -> None:
    ended = asyncio.Event()

    async def too_long(request: Any) -> None:
        try:
            await asyncio.sleep(20)
        finally:
            ended.set()

    jars.does = too_long
    began = time.monotonic()
    failure = await refused(stub("Put", put(), metadata=keys.metadata(ANNA, "jars", CLOCK), timeout=0.3))
    await asyncio.wait_for(ended.wait(), 2)

    assert failure.code == "deadline-too-short"
    assert time.monotonic() - began < 2


async def test_a_call_without_a_limit_has_ours(
    stub: Stub, keys: Keys, jars: Jars, monkeypatch: pytest.MonkeyPatch, telemetry: Telemetry
) -> None:
    monkeypatch.setattr(door, "LONGEST_CALL", 0.2)

    async def too_long(request: Any) -> None:
        await asyncio.sleep(20)

    jars.does = too_long
    failure = await refused(stub("Put", put(), metadata=keys.metadata(ANNA, "jars", CLOCK)))

    assert failure.code == "deadline-too-short"
    handled = telemetry.registry.get_sample_value("ruum_rpc_handled_total", {"rpc": PUT, "code": "DEADLINE_EXCEEDED"})
    assert handled == 1


async def test_each_call_is_counted_by_how_it_ended(stub: Stub, keys: Keys, telemetry: Telemetry) -> None:
    await stub("Put", put(), metadata=keys.metadata(ANNA, "jars", CLOCK))
    await refused(stub("Put", put(coins=0), metadata=keys.metadata(ANNA, "jars", CLOCK)))
    await refused(stub("Put", put()))

    for code in ("OK", "INVALID_ARGUMENT", "UNAUTHENTICATED"):
        assert telemetry.registry.get_sample_value("ruum_rpc_handled_total", {"rpc": PUT, "code": code}) == 1


@pytest.mark.parametrize("given", ["req_from_the_browser", ""])
async def test_what_is_done_for_a_call_is_logged_under_its_request_id(
    stub: Stub, keys: Keys, jars: Jars, given: str
) -> None:
    async def bound(request: Any) -> str:
        return str(structlog.contextvars.get_contextvars()["request_id"])

    jars.does = bound
    metadata = keys.metadata(ANNA, "jars", CLOCK, request_id=given)
    answers = [(await stub("Put", put(), metadata=metadata)).seen for _ in range(2)]

    if given:
        assert answers == [given, given]
    else:
        assert answers[0].startswith("req_")
        assert answers[0] != answers[1]
