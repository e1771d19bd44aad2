"""The books are compared each night by the worker; what it finds an operator is called for (OP-06)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus, WorkflowHandle

from deploy.demo.console import until
from tests.journeys.command import Said, ruum
from tests.journeys.town import Town
from workflows.daily import contract
from workflows.views import views

pytestmark = pytest.mark.timeout(240)

NIGHT = contract.workflow_id("reconciliation")
Process = WorkflowHandle[Any, Any]


async def begun(town: Town) -> Process:
    """A night that compares, as its schedule starts it."""
    schedule = town.client.get_schedule_handle(NIGHT)
    before = len((await schedule.describe()).info.recent_actions)
    await schedule.trigger()

    async def started() -> str | None:
        actions = [done.action for done in (await schedule.describe()).info.recent_actions[before:]]
        ids = [one.workflow_id for one in actions if isinstance(one, ScheduleActionExecutionStartWorkflow)]
        return ids[0] if ids else None

    return town.client.get_workflow_handle(await until(started, "the night to begin"))


async def compared(town: Town) -> Said:
    """`ruum reconcile`."""
    return await ruum(town.stack.table.home.folder, "reconcile")


async def calls(town: Town, night: Process, said: str) -> str:
    """What the night's page says, once it needs a person because of this."""

    async def called() -> str | None:
        needs = town.needs_operator(await night.describe())
        shown = await night.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return shown.current_details if needs and said in shown.current_details else None

    return await until(called, f"the night to call for {said}")


async def reset(town: Town, process: Process) -> None:
    """What whoever runs Temporal does to a process that was terminated: it goes on where it was."""
    run_id = (await process.describe()).run_id
    done = [
        event.event_id
        async for event in process.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    request = ResetWorkflowExecutionRequest(
        namespace=town.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=process.id, run_id=run_id),
        reason="it was terminated",
        workflow_task_finish_event_id=done[-1],
        request_id=str(uuid4()),
    )
    await town.client.workflow_service.reset_workflow_execution(request)


@pytest.mark.rule("OP-06")
async def test_a_case_whose_process_is_gone_calls_an_operator_by_night_until_it_is_back(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.check"):
        order_id = await town.ordered(home, await town.card())
        assert await town.books_agree() == ()
        await town.case(order_id).terminate("planted")

        printed = await compared(town)
        night = await begun(town)
        await until(lambda: looked(night), "the first look")
        await town.forward(minutes=10, seconds=5)
        page = await calls(town, night, order_id)
        listed = [run.id async for run in town.client.list_workflows(views(town.machine.clock.now())["needs me"])]
        await reset(town, town.case(order_id))
        answer = await night.execute_update(contract.LOOK_AGAIN, {"operator": "op_sato", "reason": "reset"})
        left = await night.result()
        await town.console.answers_check(order_id, "exists")
    await home.resident.sees(order_id, "dispatched")

    assert printed.code == 1
    assert f"process-missing  {order_id}  " in printed.out
    assert await compared(town) == Said(0, "", "")
    assert f"| process-missing | `{order_id}` |" in page
    assert contract.LOOK_AGAIN in page
    assert night.id in listed
    assert (answer, left) == ("books-disagree", 0)
    assert (await night.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert await town.books_agree() == ()


async def looked(night: Process) -> bool | None:
    """Whether the night has compared once and waits for its second look."""
    async for event in night.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            return True
    return None
