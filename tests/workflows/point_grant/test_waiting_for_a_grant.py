"""The process of a grant: it asks when the points are due, and follows whatever points decides (PT-05, OP-05)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.point_grant.script import Points, running
from workflows.point_grant import contract as steps

A_SECOND = timedelta(seconds=1)
SLACK = timedelta(milliseconds=900)
MANY_DAYS = timedelta(days=24)


@pytest.mark.rule("OP-05")
async def test_a_grant_is_asked_for_when_it_is_due_and_not_a_second_before(time: WorkflowEnvironment) -> None:
    due = await time.get_current_time() + MANY_DAYS
    points = Points(due)

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(due - await time.get_current_time() - A_SECOND)
        before = list(points.posts)
        await time.sleep(2 * A_SECOND)
        ended = await end_of(process)

    assert before == []
    assert [due <= post.as_of < due + SLACK for post in points.posts] == [True]
    assert ended == "granted"


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_a_cancellation_that_races_the_grant_is_followed_whoever_won(
    time: WorkflowEnvironment, seconds: int
) -> None:
    due = await time.get_current_time() + MANY_DAYS
    points = Points(due)

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(due - await time.get_current_time() + seconds * A_SECOND)
        if points.standing.state == "pending":
            points.to(state="cancelled", due_at=None)
            await process.signal(steps.REVIEW)
        await time.sleep(2 * A_SECOND)
        ended = await end_of(process)

    assert ended == points.standing.state
    assert seconds == 0 or ended == ("cancelled" if seconds < 0 else "granted")


async def test_a_due_day_that_moves_is_waited_for_anew(time: WorkflowEnvironment) -> None:
    start = await time.get_current_time()
    points = Points(start + timedelta(days=24))

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(timedelta(days=20))
        points.to(due_at=start + timedelta(days=31), points=12)
        await process.signal(steps.REVIEW)
        await until(lambda: len(points.reviews) == 2)
        await time.sleep(timedelta(days=10))
        before = list(points.posts)
        await time.sleep(timedelta(days=1))
        ended = await end_of(process)

    assert before == []
    assert ended == "granted"


async def test_an_order_that_goes_nowhere_is_waited_for_without_a_timer(time: WorkflowEnvironment) -> None:
    points = Points()

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(timedelta(days=400))
        looked = len(points.reviews)
        points.to(due_at=await time.get_current_time())
        await process.signal(steps.REVIEW)
        ended = await end_of(process)

    assert looked == 1
    assert ended == "granted"


async def test_words_that_come_doubled_grant_once(time: WorkflowEnvironment) -> None:
    points = Points(await time.get_current_time() + timedelta(hours=1))

    async with running(time.client, points) as process:
        for _ in range(20):
            await process.signal(steps.REVIEW)
        await time.sleep(timedelta(hours=1, seconds=2))
        ended = await end_of(process)

    assert ended == "granted"
    assert len(points.posts) == 1


@pytest.mark.rule("PR-06")
async def test_a_cancellation_that_comes_between_looking_and_asking_wins(time: WorkflowEnvironment) -> None:
    points = Points(await time.get_current_time() + timedelta(hours=1))
    points.first = lambda: points.to(state="cancelled", due_at=None)

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(timedelta(hours=1, seconds=2))
        ended = await end_of(process)

    assert ended == "cancelled"


async def test_a_grant_that_points_puts_off_is_asked_for_again_a_little_later(time: WorkflowEnvironment) -> None:
    points = Points(await time.get_current_time() + timedelta(hours=1))
    points.willing = False

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(timedelta(hours=1, seconds=30))
        asked = len(points.posts)
        points.willing = True
        await time.sleep(timedelta(minutes=1))
        ended = await end_of(process)

    assert asked == 1
    assert ended == "granted"
    assert len({post.request_id for post in points.posts}) == len(points.posts) == 2


@pytest.mark.rule("PR-05")
async def test_a_clock_that_was_ahead_at_the_start_is_ahead_in_the_process(time: WorkflowEnvironment) -> None:
    ten_days = timedelta(days=10)
    points = Points(await time.get_current_time() + ten_days)

    async with running(time.client, points, ahead=ten_days.total_seconds()) as process:
        ended = await end_of(process)

    assert ended == "granted"
    assert points.posts[0].as_of >= points.reviews[0].as_of


@pytest.mark.rule("OP-04")
async def test_a_step_that_fails_for_good_calls_an_operator_who_lets_the_process_go_on(dev: Client) -> None:
    points = Points()
    points.failure = ApplicationError("grant-not-found", type="grant-not-found", non_retryable=True)

    async with running(dev, points) as process:
        await until(lambda: bool(points.reviews))
        points.failure = None
        points.to(state="cancelled")
        answer = await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "mended"})
        ended = await end_of(process)
        attributes = dict((await process.describe()).search_attributes)

    assert answer == "grant-not-found"
    assert ended == "cancelled"
    assert [(action.operator, action.reason) for action in points.actions] == [("op_sato", "mended")]
    assert attributes["NeedsOperator"] == [False]


@pytest.mark.rule("OP-01")
async def test_operators_see_what_a_grant_waits_for_and_until_when(dev: Client) -> None:
    due = datetime(2199, 6, 1, 15, tzinfo=UTC)
    points = Points(due, points=42)

    async with running(dev, points) as process:
        timers = await timers_of(process)
        shown = dict((await process.describe()).search_attributes)
        details = await process.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        points.to(state="cancelled", due_at=None)
        await process.signal(steps.REVIEW)
        await end_of(process)

    assert (shown["State"], shown["Deadline"]) == (["pending"], [due])
    assert timers == [b'"42 points are due"']
    assert "2199-06-02 00:00 JST" in details.current_details


async def timers_of(process: WorkflowHandle[Any, Any]) -> list[bytes]:
    """The summaries of its timers, once there are any."""
    async with asyncio.timeout(10):
        while True:
            events = (await process.fetch_history()).events
            timers = [event for event in events if event.HasField("timer_started_event_attributes")]
            if timers:
                return [event.user_metadata.summary.data for event in timers]
            await asyncio.sleep(0.02)
