"""Two hundred callers behind one barrier: exactly one outcome, and books that agree (QA-03)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.points.holds.domain import HoldPoints, Part
from tests.points.books import disagreements
from tests.points.world import WORKER, World, a_member, an_order, request
from tests.support.contexts import migrated

CALLERS = 200


@pytest.fixture
async def crowd(postgres: Postgres) -> AsyncIterator[World]:
    """A world with more connections than the service usually has."""
    async with migrated(postgres, "points"):
        database = Database(postgres.url("points"), pool_size=30)
        yield World(database)
        broken = await disagreements(database)
        await database.close()
        assert broken == []


async def all_at_once(calls: Sequence[Callable[[], Awaitable[Any]]]) -> Counter[str]:
    """What became of calls that are let go together: `ok`, or the failure's name."""
    barrier = asyncio.Barrier(len(calls))

    async def one(call: Callable[[], Awaitable[Any]]) -> str:
        await barrier.wait()
        try:
            await call()
        except RuumError as failure:
            return failure.code
        return "ok"

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(call)) for call in calls]
    return Counter(task.result() for task in tasks)


@pytest.mark.rule("QA-03")
async def test_the_last_thousand_points_are_held_once(crowd: World) -> None:
    member = a_member()
    for _ in range(10):
        await crowd.limited(member, 100, crowd.today)

    outcome = await all_at_once([lambda: crowd.hold(member, an_order(), a=1_000)] * CALLERS)

    assert outcome == {"ok": 1, "points-short": CALLERS - 1}
    balance = await crowd.balance(member)
    assert (balance.available, balance.held) == (0, 1_000)


async def test_the_last_thousand_points_are_shared_out_to_the_last(crowd: World) -> None:
    member = a_member()
    for points in (1, 99, 250, 650):
        await crowd.limited(member, points, crowd.today)

    outcome = await all_at_once([lambda: crowd.hold(member, an_order(), a=5, b=4)] * CALLERS)

    assert outcome == {"ok": 111, "points-short": CALLERS - 111}
    assert (await crowd.balance(member)).available == 1


async def test_one_hold_of_an_order_is_made(crowd: World) -> None:
    member, order = a_member(), an_order()
    await crowd.limited(member, 10_000, crowd.today)

    outcome = await all_at_once([lambda: crowd.hold(member, order, a=10)] * CALLERS)

    assert outcome == {"ok": 1, "hold-exists": CALLERS - 1}
    assert (await crowd.balance(member)).held == 10


@pytest.mark.rule("PR-10")
async def test_the_same_request_from_all_acts_once_and_answers_all_the_same(crowd: World) -> None:
    member = a_member()
    await crowd.limited(member, 10_000, crowd.today)
    parts = (Part(part_id="a", points=10),)
    asked = HoldPoints(request_id=request(), member_id=member, order_id=an_order(), attempt=1, parts=parts)
    answers = set()

    async def ask() -> None:
        answers.add((await crowd.holds.hold(WORKER, asked)).model_dump_json())

    outcome = await all_at_once([ask] * CALLERS)

    assert outcome == {"ok": CALLERS}
    assert len(answers) == 1
    assert (await crowd.balance(member)).held == 10


async def test_a_part_is_either_captured_or_released(crowd: World) -> None:
    member, order = a_member(), an_order()
    await crowd.limited(member, 100, crowd.today)
    await crowd.hold(member, order, a=30, b=30)

    outcome = await all_at_once([lambda: crowd.capture(order), lambda: crowd.release(order)] * (CALLERS // 2))

    assert outcome["ok"] == 1
    assert outcome["hold-part-captured"] + outcome["hold-part-released"] == CALLERS - 1
    balance = await crowd.balance(member)
    assert (balance.held, balance.available) in {(0, 40), (0, 100)}


async def test_parts_decided_one_by_one_are_each_decided_once(crowd: World) -> None:
    member, order = a_member(), an_order()
    await crowd.limited(member, 100, crowd.today)
    await crowd.hold(member, order, **{f"line{n}": 2 for n in range(20)})
    calls = [(decide, f"line{n}") for n in range(20) for decide in [crowd.capture, crowd.release] * 5]

    outcome = await all_at_once([partial(decide, order, part) for decide, part in calls])

    assert outcome["ok"] == 20
    assert (await crowd.balance(member)).held == 0


async def test_a_release_and_the_hold_it_undoes_leave_nothing_held(crowd: World) -> None:
    member = a_member()
    await crowd.limited(member, 10_000, crowd.today)
    orders = [an_order() for _ in range(CALLERS // 2)]

    outcome = await all_at_once(
        [partial(crowd.hold, member, order, a=10) for order in orders]
        + [partial(crowd.release, order) for order in orders]
    )

    assert outcome["ok"] + outcome["hold-too-late"] == CALLERS
    assert (await crowd.balance(member)).available == 10_000


async def test_no_more_is_given_back_than_was_spent_however_many_ask(crowd: World) -> None:
    member, order = a_member(), an_order()
    await crowd.limited(member, 100, crowd.today)
    await crowd.hold(member, order, a=100)
    await crowd.capture(order)

    outcome = await all_at_once([lambda: crowd.give_back(order, "a", 7)] * CALLERS)

    assert outcome == {"ok": 14, "gives-back-too-much": CALLERS - 14}
    assert (await crowd.balance(member)).available == 98


async def test_a_grant_and_a_cancellation_at_once_leave_one_of_them(crowd: World) -> None:
    members = [a_member() for _ in range(20)]
    orders = [an_order() for _ in members]
    for member, order in zip(members, orders, strict=True):
        await crowd.placed(member, order, 1_000)
        await crowd.delivered(order)
    crowd.pass_time(days=11)

    await all_at_once(
        [partial(crowd.post_grant, order) for order in orders * 5]
        + [partial(crowd.cancelled, order) for order in orders * 5]
    )

    for member, order in zip(members, orders, strict=True):
        kinds = [kind for kind, _ in await crowd.kinds(member)]
        state = (await crowd.grants.review(order)).state
        assert kinds == ["pending", *(["granted", "reversed"] if state == "granted" else ["pending-ended"])]
        assert (await crowd.balance(member)).available == 0


async def test_points_that_lapse_while_they_are_held_are_one_or_the_other(crowd: World) -> None:
    member = a_member()
    for _ in range(50):
        await crowd.limited(member, 10, crowd.today)
    midnight = crowd.now + timedelta(days=1)

    async def hold_before_midnight(order: str) -> None:
        asked = HoldPoints(
            request_id=request(),
            as_of=midnight - timedelta(days=1),
            member_id=member,
            order_id=order,
            attempt=1,
            parts=(Part(part_id="a", points=10),),
        )
        await crowd.holds.hold(WORKER, asked)

    crowd.go_to(midnight)
    outcome = await all_at_once(
        [lambda: hold_before_midnight(an_order())] * 100 + [lambda: crowd.post_expiry(crowd.today - timedelta(days=1))]
    )

    kinds = Counter(kind for kind, _ in await crowd.kinds(member))
    assert kinds["held"] + kinds["lapsed"] == 50
    assert outcome["ok"] == kinds["held"] + 1


async def test_holds_grants_and_captures_of_one_member_at_once_lose_nothing(crowd: World) -> None:
    member = a_member()
    for _ in range(5):
        await crowd.earned(member, 100)
    orders = [an_order() for _ in range(40)]
    for order in orders[:20]:
        await crowd.hold(member, order, a=5)

    outcome = await all_at_once(
        [partial(crowd.capture, order) for order in orders[:20]]
        + [partial(crowd.hold, member, order, a=3) for order in orders[20:]]
        + [lambda: crowd.limited(member, 10, crowd.today) for _ in range(20)]
        + [lambda: crowd.placed(member, an_order(), 700) for _ in range(20)]
    )

    assert outcome == {"ok": 80}
    balance = await crowd.balance(member)
    assert (balance.available, balance.held, balance.pending) == (500 - 100 - 60 + 200, 60, 140)
