"""A night that runs outlives the code that started it: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.workflow import NondeterminismError

from tests.workflows.daily.branches import HISTORIES
from workflows.daily import contract
from workflows.daily.contract import StartChore
from workflows.daily.workflow import Daily


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(HISTORIES.branches))
async def test_the_history_of_every_branch_of_a_night_replays(branch: str) -> None:
    assert await HISTORIES.objection(branch, Daily) is None


@pytest.mark.rule("OP-05")
async def test_a_changed_night_is_refused_by_a_history_of_the_old_one() -> None:
    assert isinstance(await HISTORIES.objection("closed", Changed), NondeterminismError)


def test_every_branch_of_a_night_has_its_history_and_every_history_its_branch() -> None:
    assert HISTORIES.kept == HISTORIES.branches.keys()


@workflow.defn(name=contract.WORKFLOW, sandboxed=False)
class Changed:
    """The night with a pause before its steps."""

    @workflow.run
    async def run(self, _start: StartChore) -> int:
        await workflow.sleep(1)
        return 0
