"""What only the real server shows: an update id answered once for all, and cases found by what operators look for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import TimeSkipper

from tests.support.waiting import until
from tests.workflows.door import ended, forward, leads
from tests.workflows.sparekey_order.fakes import Order, Services, running
from tests.workflows.sparekey_order.joined import A_SECOND, Joined
from workflows.kit import TASK_QUEUE
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps

AN_HOUR = timedelta(hours=1)


@pytest.mark.rule("PR-10")
async def test_the_same_update_after_the_worker_came_back_gives_the_same_answer_and_acts_once(dev: Client) -> None:
    services = Services()

    async with running(dev, services) as order:
        first = await order.place()
        await until(lambda: bool(services.of(steps.CHECK)))
    async with running(dev, services) as order:
        again = await asyncio.gather(*(order.place() for _ in range(4)))

    assert {answer.order_number for answer in again} == {first.order_number}
    assert [len(services.of(step)) for step in (money.BEGIN, money.AUTHORISE, money.CONFIRM)] == [1, 1, 1]


@pytest.mark.rule("PR-10")
async def test_the_same_update_after_the_order_has_ended_gives_the_same_answer_and_acts_once(dev: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("handed-over")

    async with running(dev, services) as order:
        first = await order.place()
        await order.result()
        again = await order.place()

    assert again == first
    assert len(services.of(money.BEGIN)) == 1


@pytest.mark.rule("PR-10")
async def test_an_operators_update_sent_twice_is_carried_out_once(dev: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("released")
    given = {"operator": "op_sato", "reason": "by-phone", "tracking_number": "12345678901"}

    async with running(dev, services) as order:
        await order.place()
        answers = [await order.handle.execute_update("mark_dispatched", given, id="click-1") for _ in range(3)]

    assert len(set(answers)) == 1
    assert ["/act/click-1/" in acted.request_id for acted in services.of(steps.ACT)] == [True]


# A process that was started and never told to place.


async def unplaced(order: Order) -> datetime:
    """When such a process ends."""
    await order.client.start_workflow(
        steps.WORKFLOW,
        steps.StartOrder(order_id=order.services.order_id, member_id="mem_1", room_id="room_1"),
        id=order.id,
        task_queue=f"{TASK_QUEUE}-{order.services.order_id}",
    )
    described = await order.handle.describe()
    return described.start_time + AN_HOUR


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("seconds", [-1, 1])
async def test_a_process_waits_an_hour_to_place_its_order_and_a_later_try_is_a_run_of_its_own(
    dev: Client, seconds: int
) -> None:
    services = Services()

    async with running(dev, services) as order:
        ends = await unplaced(order)
        first = (await order.handle.describe()).run_id
        await forward(TimeSkipper(dev), order.handle, ends + seconds * A_SECOND)
        if seconds > 0:
            assert await order.result() == "placing"
        answer = await order.place()
        await forward(TimeSkipper(dev), order.handle, ends + A_SECOND)
        described = await order.handle.describe()

    assert answer.outcome == "placed"
    assert (described.run_id == first) is (seconds < 0)
    assert described.status == WorkflowExecutionStatus.RUNNING
    assert len(services.of(money.BEGIN)) == 1


@pytest.mark.rule("OP-05")
async def test_an_order_placed_in_the_instant_in_which_its_process_ends_is_placed_once(dev: Client) -> None:
    async def races(lead: float) -> tuple[str, int]:
        services = Services()
        async with running(dev, services) as order:
            ends = await unplaced(order)

            async def place() -> str:
                await asyncio.sleep(max(-lead, 0))
                return (await order.place()).outcome

            async def time_is_up() -> None:
                await asyncio.sleep(max(lead, 0))
                await forward(TimeSkipper(dev), order.handle, ends)

            outcome, _ = await asyncio.gather(place(), time_is_up())
            async with ended():
                await order.handle.terminate()
        return outcome, len(services.of(money.BEGIN))

    ends = [await races(lead) for lead in leads(8)]

    assert set(ends) == {("placed", 1)}


# What operators search by.


@pytest.mark.rule("OP-01")
async def test_a_case_is_found_by_everything_that_operators_look_for(here: Joined) -> None:
    order = await here.ordered()
    await order.asked_for_number()
    row = await order.row()
    assert row.deadline is not None
    day = timedelta(days=1)

    async def found(asked: str) -> bool:
        listed = [it.id async for it in here.client.list_workflows(f'OrderId = "{order.id}" and {asked}')]
        return listed == [order.handle.id]

    for asked in (
        '`Case` = "sparekey-order"',
        f'MemberId = "{row.member_id}"',
        f'RoomId = "{row.room_id}"',
        'State = "number-asked"',
        f'Deadline > "{_written(row.deadline - day)}" and Deadline < "{_written(row.deadline + day)}"',
        "NeedsOperator = false",
        'ExecutionStatus = "Running"',
    ):
        await until(lambda asked=asked: found(asked))  # type: ignore[misc]  # bound now
    assert not await found(f'Deadline > "{_written(row.deadline + day)}"')

    await order.hears(order.world.maker_says("number_replied", order.id, key_number="?"))
    await until(lambda: found("NeedsOperator = true"))
    order.moment.open.set()
    await order.forward_to(row.deadline)
    await order.result()
    await until(lambda: found('State = "cancelled" and Deadline is null and ExecutionStatus = "Completed"'))


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
