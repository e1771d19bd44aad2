"""A night's chores: each done to its end, once a day, by schedules that the worker keeps (PT-12, SK-12)."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from temporalio.client import Client, ScheduleDescription
from temporalio.testing import WorkflowEnvironment

from services.chassis.ids import new_id
from tests.workflows.daily.script import Night, working
from workflows import schedules
from workflows.daily import contract
from workflows.daily.contract import StartChore
from workflows.daily.workflow import Daily


@pytest.mark.rule("PT-12")
async def test_a_chore_goes_on_round_by_round_until_nothing_is_left(dev: Client) -> None:
    night, queue = Night(500, 500, 20), new_id("queue")
    start = StartChore(chore="points-expiry", day=date(2026, 5, 10))

    async with working(dev, night, queue):
        done = await dev.execute_workflow(Daily.run, start, id=new_id("night"), task_queue=queue)

    assert done == 1020
    assert [given.request_id for given in night.asked] == [
        f"points-expiry/daily/day=2026-05-10/round={n}" for n in range(3)
    ]


@pytest.mark.parametrize(("now", "day"), [("2026-05-10T14:59:59", "2026-05-09"), ("2026-05-10T15:00:00", "2026-05-10")])
async def test_the_day_that_is_over_is_one_of_japan(time: WorkflowEnvironment, now: str, day: str) -> None:
    """At 15:00 in UTC a day of Japan is over."""
    night, queue = Night(0), new_id("queue")
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    ahead = (instant - await time.get_current_time()).total_seconds()
    start = StartChore(chore="key-numbers", clock_ahead_seconds=ahead)

    async with working(time.client, night, queue):
        await time.client.execute_workflow(Daily.run, start, id=new_id("night"), task_queue=queue)

    assert [given.day for given in night.asked] == [date.fromisoformat(day)]


async def described(client: Client) -> dict[str, ScheduleDescription]:
    return {
        chore: await client.get_schedule_handle(contract.workflow_id(chore)).describe() for chore in contract.CHORES
    }


async def test_the_worker_keeps_a_schedule_for_each_chore_shortly_after_midnight_in_japan(dev: Client) -> None:
    await schedules.keep(dev)
    await schedules.keep(dev)

    for found in (await described(dev)).values():
        next_night = found.info.next_action_times[0]
        assert (next_night + timedelta(hours=9)).time().isoformat("minutes") == "00:10"
        assert found.schedule.policy.catchup_window == timedelta(days=7)


async def test_a_schedule_that_an_operator_paused_stays_paused(dev: Client) -> None:
    await schedules.keep(dev)
    handle = dev.get_schedule_handle(contract.workflow_id("key-numbers"))
    await handle.pause()

    await schedules.keep(dev)

    assert (await handle.describe()).schedule.state.paused
    await handle.unpause()


@pytest.mark.parametrize(
    "chore",
    [
        pytest.param("key-numbers", marks=pytest.mark.rule("SK-12")),
        pytest.param("keys-leaving", marks=pytest.mark.rule("SK-05")),
    ],
)
async def test_a_schedule_does_its_chore(dev: Client, chore: contract.Chore) -> None:
    night = Night()
    await schedules.keep(dev)

    async with working(dev, night, contract.TASK_QUEUE), asyncio.timeout(20):
        await dev.get_schedule_handle(contract.workflow_id(chore)).trigger()
        while not night.asked:  # noqa: ASYNC110  # the server starts it in its own time
            await asyncio.sleep(0.05)

    assert night.asked[0].request_id.startswith(f"{chore}/daily/day=")
