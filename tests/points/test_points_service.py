"""The contract of points over real gRPC, with real tokens: who may ask what, and how answers are written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from ruum.common.v1 import common_pb2
from ruum.common.v1.common_pb2 import Day
from ruum.points.v1 import points_pb2 as pb
from ruum.points.v1.points_pb2_grpc import PointsServiceStub, add_PointsServiceServicer_to_server
from services.chassis.caller import Caller
from services.chassis.db import Database
from services.chassis.errors import Kind
from services.points.servicer import PointsServicer
from tests.points.world import World, a_member, an_order, request
from tests.support.callers import Keys, member, operator, refused, service
from tests.support.contexts import served

SERVICE = pb.DESCRIPTOR.services_by_name["PointsService"]
WORKER = service("worker")


@dataclass
class Points:
    """The service as its callers reach it."""

    world: World
    keys: Keys
    stub: Any

    async def ask(self, caller: Caller, method: str, message: Any) -> Any:
        metadata = self.keys.metadata(caller, "points", self.world.clock)
        return await getattr(self.stub, method)(message, metadata=metadata)


@pytest.fixture(scope="session")
async def points(database: Database, keys: Keys) -> AsyncIterator[Points]:
    world = World(database)
    servicer = PointsServicer(world.domain)
    add = lambda server: add_PointsServiceServicer_to_server(servicer, server)  # noqa: E731  # one line says it
    async with served("points", keys.ring(world.clock), [SERVICE], add) as there:
        yield Points(world, keys, PointsServiceStub(there.channel))


async def test_points_are_given_held_spent_and_given_back_over_the_wire(points: Points) -> None:
    mine, order = a_member(), an_order()
    until = Day(iso=(points.world.today + timedelta(days=5)).isoformat())
    grant = pb.GrantLimitedRequest(
        request_id=request(), member_id=mine, campaign_id="spring", points=100, last_day=until
    )
    parts = [pb.HoldPart(part_id="a", points=30), pb.HoldPart(part_id="b", points=10)]
    hold = pb.HoldRequest(request_id=request(), member_id=mine, order_id=order, attempt=1, parts=parts)
    on_order: dict[str, Any] = {"order_id": order, "attempt": 1}

    await points.ask(service("campaign-desk"), "GrantLimited", grant)
    held = await points.ask(WORKER, "Hold", hold)
    captured = await points.ask(WORKER, "Capture", pb.CaptureRequest(request_id=request(), part_ids=["a"], **on_order))
    released = await points.ask(WORKER, "Release", pb.ReleaseRequest(request_id=request(), **on_order))
    back = await points.ask(
        WORKER, "GiveBack", pb.GiveBackRequest(request_id=request(), part_id="a", points=5, **on_order)
    )
    balance = await points.ask(member(mine), "GetBalance", pb.GetBalanceRequest())

    assert (held.points, held.yen, held.hold_id[:5]) == (40, 40, "hold_")
    assert [part.state for part in captured.parts] == [pb.PART_STATE_CAPTURED, pb.PART_STATE_HELD]
    assert [part.state for part in released.parts] == [pb.PART_STATE_CAPTURED, pb.PART_STATE_RELEASED]
    assert back == pb.GiveBackResponse(returned=5)
    assert balance == pb.Balance(available=75, limited=75, lapses=[pb.Lapse(last_day=until, points=75)])


async def test_entries_are_told_page_by_page(points: Points) -> None:
    mine = a_member()
    for _ in range(3):
        await points.world.limited(mine, 10, points.world.today)

    first = await points.ask(member(mine), "ListEntries", pb.ListEntriesRequest(page=common_pb2.Page(size=2)))
    rest = pb.ListEntriesRequest(page=common_pb2.Page(size=2, cursor=first.next_cursor))
    second = await points.ask(member(mine), "ListEntries", rest)

    assert [entry.balance_after for entry in (*first.entries, *second.entries)] == [30, 20, 10]
    assert second.next_cursor == ""
    assert {(entry.kind, entry.lot_kind) for entry in first.entries} == {("granted", "limited")}


async def test_a_grant_is_reviewed_and_posted_as_of_the_workers_time(points: Points) -> None:
    order = an_order()
    await points.world.placed(a_member(), order, 1_000)
    await points.world.delivered(order)
    as_of = points.world.now + timedelta(days=30)
    post = pb.PostGrantRequest(request_id=request(), order_id=order)
    post.as_of.FromDatetime(as_of)

    review = await points.ask(WORKER, "ReviewGrant", pb.ReviewGrantRequest(order_id=order))
    posted = await points.ask(WORKER, "PostGrant", post)

    assert (review.state, review.points, review.HasField("due_at")) == (pb.GRANT_STATE_PENDING, 10, True)
    assert (posted.state, posted.HasField("due_at")) == (pb.GRANT_STATE_GRANTED, False)


async def test_the_books_are_told_to_operators(points: Points) -> None:
    order = an_order()
    await points.world.placed(a_member(), order, 1_000)

    trial = await points.ask(operator("op_sato"), "GetTrialBalance", pb.GetTrialBalanceRequest())
    asked = pb.ListOrderPointsRequest(order_ids=[order])
    orders = await points.ask(operator("op_sato"), "ListOrderPoints", asked)

    assert trial.sum == 0
    assert {account.account for account in trial.accounts} >= {"issued", "pending"}
    assert list(orders.orders) == [pb.OrderPoints(order_id=order, pending=10)]


async def test_the_night_posts_what_has_lapsed(points: Points) -> None:
    world = points.world
    yesterday = Day(iso=(world.today - timedelta(days=1)).isoformat())

    posted = await points.ask(
        WORKER, "PostExpiry", pb.PostExpiryRequest(request_id=request(), last_day=yesterday, limit=1000)
    )

    assert isinstance(posted, pb.PostExpiryResponse)


@pytest.mark.rule("OP-02")
async def test_an_operators_action_is_kept_with_name_and_reason(points: Points) -> None:
    order = an_order()
    asked = pb.RecordActionRequest(
        request_id=request(), order_id=order, operator="op_sato", action="look_again", reason="mended"
    )

    first = await points.ask(WORKER, "RecordAction", asked)
    again = await points.ask(WORKER, "RecordAction", asked)

    assert first == again
    kept = await points.world.rows("select operator, action, reason from points.actions where order_id = :o", o=order)
    assert kept == [{"operator": "op_sato", "action": "look_again", "reason": "mended"}]


async def test_points_that_are_short_are_refused_by_name_with_what_there_is(points: Points) -> None:
    mine = a_member()
    await points.world.limited(mine, 10, points.world.today)
    parts = [pb.HoldPart(part_id="a", points=11)]
    hold = pb.HoldRequest(request_id=request(), member_id=mine, order_id=an_order(), attempt=1, parts=parts)

    failure = await refused(points.ask(WORKER, "Hold", hold))

    assert (failure.kind, failure.code, failure.params) == (Kind.REFUSED, "points-short", {"available": 10})


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01"])
async def test_a_day_that_does_not_exist_is_refused_at_its_field(points: Points, day: str) -> None:
    asked = pb.PostExpiryRequest(request_id=request(), last_day=Day(iso=day), limit=10)

    failure = await refused(points.ask(WORKER, "PostExpiry", asked))

    assert [(violation.field, violation.code) for violation in failure.violations] == [
        ("last_day", "day-not-in-calendar")
    ]


# Who may ask.

CALLERS = {
    "GetBalance": {"member", "store"},
    "ListEntries": {"member"},
    "Hold": {"worker"},
    "Capture": {"worker"},
    "Release": {"worker"},
    "GiveBack": {"worker"},
    "ReviewGrant": {"worker"},
    "PostGrant": {"worker"},
    "RecordAction": {"worker"},
    "PostExpiry": {"worker"},
    "GetTrialBalance": {"operator", "worker"},
    "ListOrderPoints": {"operator", "worker"},
    "GrantLimited": {"campaign-desk"},
}
EVERYBODY = {
    "member": member(a_member()),
    "operator": operator("op_sato"),
    **{name: service(name) for name in ("store", "worker", "campaign-desk", "gateway", "sparekey", "identity")},
}


@pytest.mark.rule("PR-11")
@pytest.mark.parametrize("method", [method.name for method in SERVICE.methods])
@pytest.mark.parametrize("caller", list(EVERYBODY))
async def test_a_method_is_open_to_those_it_is_for_and_to_nobody_else(points: Points, method: str, caller: str) -> None:
    empty = getattr(pb, SERVICE.methods_by_name[method].input_type.name)()

    try:
        await points.ask(EVERYBODY[caller], method, empty)
        let_in = True
    except Exception as failure:  # noqa: BLE001  # whatever it is, it has a name
        let_in = (await refused(_raise(failure))).kind is not Kind.NOT_ALLOWED

    assert let_in is (caller in CALLERS[method])


async def _raise(failure: Exception) -> None:
    raise failure


@pytest.mark.rule("PT-23")
async def test_no_call_could_hand_points_to_anybody_or_turn_them_into_money(points: Points) -> None:
    asked_by_members = {name for name, callers in CALLERS.items() if "member" in callers}
    members_named = {
        method.name: [field.name for field in method.input_type.fields if "member" in field.name]
        for method in SERVICE.methods
    }

    assert {method.name for method in SERVICE.methods} == set(CALLERS)
    assert asked_by_members == {"GetBalance", "ListEntries"}
    assert all(len(names) <= 1 for names in members_named.values())


async def test_only_the_worker_states_a_time(points: Points) -> None:
    for method in SERVICE.methods:
        if "as_of" in method.input_type.fields_by_name:
            assert CALLERS[method.name] == {"worker"}
