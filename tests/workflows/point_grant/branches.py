"""Every branch of a grant lived once, for the histories that later code must still replay (OP-05).

python -m tests.workflows.point_grant.branches     writes them anew: only when no grant of the old code waits
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.histories import Histories
from tests.workflows.point_grant.script import Points, running
from workflows.point_grant import contract as steps

MANY_DAYS = timedelta(days=24)
A_LITTLE = timedelta(seconds=2)

Process = WorkflowHandle[Any, Any]
Branch = Callable[[Points, Process, WorkflowEnvironment], Awaitable[None]]


async def told(points: Points, process: Process, /, **changed: Any) -> None:
    """The store tells something new, and the process has seen it."""
    points.to(**changed)
    seen = len(points.reviews)
    await process.signal(steps.REVIEW)
    await until(lambda: len(points.reviews) > seen)


async def granted(points: Points, process: Process, time: WorkflowEnvironment) -> None:
    """Nobody knows when; then it arrives, and its window passes."""
    await told(points, process, due_at=await time.get_current_time() + MANY_DAYS)
    await time.sleep(MANY_DAYS + A_LITTLE)


async def moved(points: Points, process: Process, time: WorkflowEnvironment) -> None:
    """It goes astray, sets out again, and costs less."""
    await told(points, process, due_at=await time.get_current_time() + MANY_DAYS)
    await told(points, process, due_at=None)
    await time.sleep(MANY_DAYS * 2)
    await told(points, process, due_at=await time.get_current_time() + MANY_DAYS, points=12)
    await time.sleep(MANY_DAYS + A_LITTLE)


async def put_off(points: Points, process: Process, time: WorkflowEnvironment) -> None:
    """Points does not grant it at first."""
    points.willing = False
    await told(points, process, due_at=await time.get_current_time() + MANY_DAYS)
    await time.sleep(MANY_DAYS + A_LITTLE)
    await until(lambda: bool(points.posts))
    points.willing = True
    await time.sleep(timedelta(minutes=1))


async def cancelled(points: Points, process: Process, time: WorkflowEnvironment) -> None:
    await told(points, process, due_at=await time.get_current_time() + MANY_DAYS)
    await told(points, process, state="cancelled", due_at=None)


async def stuck(points: Points, process: Process, _time: WorkflowEnvironment) -> None:
    """A look that is refused for good, and mended."""
    points.failure = ApplicationError("not-found", type="not-found", non_retryable=True)
    await told(points, process)
    points.failure = None
    points.to(state="cancelled")
    await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "mended"})


async def live(branch: Branch, time: WorkflowEnvironment) -> WorkflowHistory:
    points = Points()
    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await branch(points, process, time)
        await end_of(process)
        return await process.fetch_history()


HISTORIES = Histories(
    Path(__file__).with_name("histories"),
    {branch.__name__: partial(live, branch) for branch in (granted, moved, put_off, cancelled, stuck)},
)

if __name__ == "__main__":
    HISTORIES.record()
