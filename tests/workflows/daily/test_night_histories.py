"""A night that runs outlives the code that started it: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.workflows.daily.branches import BRANCHES, HISTORIES
from workflows.daily import contract
from workflows.daily.contract import StartChore
from workflows.daily.workflow import Daily


def history(branch: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"daily/{branch}", (HISTORIES / f"{branch}.json").read_text("utf-8"))


def replayer(workflow_type: type) -> Replayer:
    return Replayer(workflows=[workflow_type], data_converter=pydantic_data_converter)


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(BRANCHES))
async def test_the_history_of_every_branch_of_a_night_replays(branch: str) -> None:
    result = await replayer(Daily).replay_workflow(history(branch), raise_on_replay_failure=False)

    assert result.replay_failure is None


@pytest.mark.rule("OP-05")
async def test_a_changed_night_is_refused_by_a_history_of_the_old_one() -> None:
    changed = await replayer(Changed).replay_workflow(history("closed"), raise_on_replay_failure=False)

    assert isinstance(changed.replay_failure, NondeterminismError)


def test_every_branch_of_a_night_has_its_history_and_every_history_its_branch() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} == set(BRANCHES)


@workflow.defn(name=contract.WORKFLOW, sandboxed=False)
class Changed:
    """The night with a pause before its steps."""

    @workflow.run
    async def run(self, _start: StartChore) -> int:
        await workflow.sleep(1)
        return 0
