"""Every branch of an invoice lived once, for the histories that later code must still replay (OP-05).

python -m tests.workflows.invoice.branches     writes them anew: only when no case of the old code runs
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
from tests.workflows.invoice.script import SPACING, Store, running
from workflows.invoice import contract as steps

TWO_WEEKS = timedelta(days=14)
A_LITTLE = timedelta(seconds=2)

Process = WorkflowHandle[Any, Any]
Branch = Callable[[Store, Process, WorkflowEnvironment], Awaitable[None]]


async def over(store: Store, process: Process, state: steps.State) -> None:
    store.state = state
    await process.signal(steps.INVOICE_CHANGED)


async def paid(store: Store, process: Process, time: WorkflowEnvironment) -> None:
    """In time."""
    await time.sleep(timedelta(days=5))
    await over(store, process, "paid")


async def late(store: Store, process: Process, time: WorkflowEnvironment) -> None:
    """Charged once, then paid."""
    await time.sleep(TWO_WEEKS + timedelta(days=1))
    await until(lambda: store.charged == 1)
    await over(store, process, "paid")


async def unpaid(store: Store, process: Process, time: WorkflowEnvironment) -> None:
    """Charged three times; a person writes it off."""
    for ordinal in (1, 2, 3):
        await time.sleep(SPACING + A_LITTLE)
        await until(lambda ordinal=ordinal: store.charged == ordinal)  # type: ignore[misc]  # bound now
    await time.sleep(SPACING + A_LITTLE)
    store.state = "cancelled"
    await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "written-off"})


async def withdrawn(store: Store, process: Process, _time: WorkflowEnvironment) -> None:
    """The order was cancelled."""
    await over(store, process, "cancelled")


async def stuck(store: Store, process: Process, _time: WorkflowEnvironment) -> None:
    """A look that is refused for good, and mended."""
    store.failure = ApplicationError("not-found", type="not-found", non_retryable=True)
    await process.signal(steps.INVOICE_CHANGED)
    await until(lambda: len(store.looks) > 1)
    store.failure, store.state = None, "paid"
    await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "mended"})


async def live(branch: Branch, time: WorkflowEnvironment) -> WorkflowHistory:
    store = Store(await time.get_current_time() + TWO_WEEKS)
    async with running(time.client, store) as process:
        await until(lambda: bool(store.looks))
        await branch(store, process, time)
        await end_of(process)
        return await process.fetch_history()


HISTORIES = Histories(
    Path(__file__).with_name("histories"),
    {branch.__name__: partial(live, branch) for branch in (paid, late, unpaid, withdrawn, stuck)},
)

if __name__ == "__main__":
    HISTORIES.record()
