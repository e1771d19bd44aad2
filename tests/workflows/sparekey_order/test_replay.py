"""Running cases outlive the code that started them: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.workflow import NondeterminismError

from tests.workflows.sparekey_order.branches import HISTORIES
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.contract import Place, PlaceAnswer, StartOrder
from workflows.sparekey_order.workflow import SparekeyOrder


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(HISTORIES.branches))
async def test_the_history_of_every_branch_replays(branch: str) -> None:
    assert await HISTORIES.objection(branch, SparekeyOrder) is None


@pytest.mark.rule("OP-05")
async def test_a_changed_process_is_refused_by_a_history_of_the_old_one() -> None:
    assert isinstance(await HISTORIES.objection("straight", Changed), NondeterminismError)


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(HISTORIES.branches))
async def test_a_step_behind_a_patch_leaves_every_case_that_runs_its_old_way(branch: str) -> None:
    assert await HISTORIES.objection(branch, Patched) is None


@pytest.mark.rule("OP-05")
async def test_the_same_step_without_a_patch_is_refused() -> None:
    assert isinstance(await HISTORIES.objection("straight", Unpatched), NondeterminismError)


def test_every_branch_has_its_history_and_every_history_its_branch() -> None:
    assert HISTORIES.kept == HISTORIES.branches.keys()


@workflow.defn(name=steps.WORKFLOW, sandboxed=False)
class Patched(SparekeyOrder):
    """The process with one more step at its start, for the cases that begin from now on (docs/decisions/0014)."""

    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartOrder) -> str:
        if self.new_way():
            await workflow.sleep(1)
        return await super().run(start)

    def new_way(self) -> bool:
        return workflow.patched("0014-a-breath")


@workflow.defn(name=steps.WORKFLOW, sandboxed=False)
class Unpatched(Patched):
    """The same, for all."""

    @workflow.init
    def __init__(self, start: StartOrder) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartOrder) -> str:
        return await super().run(start)

    def new_way(self) -> bool:
        return True


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
