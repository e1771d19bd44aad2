"""Every branch of a night lived once, for the histories that later code must still replay (OP-05).

python -m tests.workflows.daily.branches     writes them anew: only when no night of the old code runs
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.daily.script import Night, Process, act, called, running
from tests.workflows.histories import Histories
from workflows.daily import contract
from workflows.daily.contract import Chore
from workflows.daily.workflow import AGAIN, SETTLED

A_LITTLE = timedelta(seconds=2)

Lived = Callable[[Night, Process, WorkflowEnvironment], Awaitable[None]]


@dataclass(frozen=True)
class Branch:
    """A chore, what it meets, and what happens then."""

    chore: Chore
    night: Callable[[], Night]
    lived: Lived


async def in_peace(_night: Night, _process: Process, _time: WorkflowEnvironment) -> None:
    """Nothing comes between."""


async def away(night: Night, process: Process, time: WorkflowEnvironment) -> None:
    """A service is away for longer than it may be, and is back when it is tried again."""
    night.away = True
    await until(lambda: night.tries > 0)
    await time.sleep(contract.PATIENCE + A_LITTLE)
    await called(process)
    night.away = False
    await time.sleep(AGAIN)


async def mended(night: Night, process: Process, time: WorkflowEnvironment) -> None:
    await disagrees(night, process, time)
    night.found = [()]
    await act(process, contract.LOOK_AGAIN)


async def closed(night: Night, process: Process, time: WorkflowEnvironment) -> None:
    await disagrees(night, process, time)
    await act(process, contract.CLOSE)


async def disagrees(night: Night, process: Process, time: WorkflowEnvironment) -> None:
    await until(lambda: night.compared == 1)
    await time.sleep(SETTLED + A_LITTLE)
    await called(process)


BRANCHES: dict[str, Branch] = {
    "swept": Branch("points-expiry", lambda: Night(500, 20), in_peace),
    "away": Branch("key-numbers", Night, away),
    "agrees": Branch("reconciliation", Night, in_peace),
    "passing": Branch("reconciliation", lambda: Night(found=(("ord_1",), ())), in_peace),
    "mended": Branch("reconciliation", lambda: Night(found=(("ord_1",),)), mended),
    "closed": Branch("reconciliation", lambda: Night(found=(("ord_1",),)), closed),
}


async def live(branch: Branch, time: WorkflowEnvironment) -> WorkflowHistory:
    night = branch.night()
    async with running(time.client, night, branch.chore) as process:
        await branch.lived(night, process, time)
        await end_of(process)
        return await process.fetch_history()


HISTORIES = Histories(
    Path(__file__).with_name("histories"), {name: partial(live, branch) for name, branch in BRANCHES.items()}
)

if __name__ == "__main__":
    HISTORIES.record()
