"""Running cases outlive the code that started them: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.workflows.sparekey_order.branches import BRANCHES, HISTORIES
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.contract import Place, PlaceAnswer, StartOrder
from workflows.sparekey_order.workflow import SparekeyOrder


def history(branch: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"sparekey-order/{branch}", (HISTORIES / f"{branch}.json").read_text("utf-8"))


def replayer(workflow_type: type) -> Replayer:
    return Replayer(workflows=[workflow_type], data_converter=pydantic_data_converter)


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(BRANCHES))
async def test_the_history_of_every_branch_replays(branch: str) -> None:
    result = await replayer(SparekeyOrder).replay_workflow(history(branch), raise_on_replay_failure=False)

    assert result.replay_failure is None


@pytest.mark.rule("OP-05")
async def test_a_changed_process_is_refused_by_a_history_of_the_old_one() -> None:
    changed = await replayer(Changed).replay_workflow(history("straight"), raise_on_replay_failure=False)

    assert isinstance(changed.replay_failure, NondeterminismError)


def test_every_branch_has_its_history_and_every_history_its_branch() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} == set(BRANCHES)


@workflow.defn(name=steps.WORKFLOW, sandboxed=False)
class Changed:
    """The process with a pause before its steps."""

    @workflow.init
    def __init__(self, _start: StartOrder) -> None:
        self._placed = False

    @workflow.run
    async def run(self, _start: StartOrder) -> str:
        await workflow.wait_condition(lambda: self._placed)
        return "changed"

    @workflow.update(name=steps.PLACE)
    async def place(self, _asked: Place) -> PlaceAnswer:
        await workflow.sleep(1)
        self._placed = True
        return PlaceAnswer(outcome="placed")
