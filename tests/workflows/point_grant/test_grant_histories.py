"""A grant that waits outlives the code that started it: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.workflow import NondeterminismError

from tests.workflows.point_grant.branches import HISTORIES
from workflows.point_grant import contract as steps
from workflows.point_grant.contract import StartGrant
from workflows.point_grant.workflow import PointGrant


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(HISTORIES.branches))
async def test_the_history_of_every_branch_of_a_grant_replays(branch: str) -> None:
    assert await HISTORIES.objection(branch, PointGrant) is None


@pytest.mark.rule("OP-05")
async def test_a_changed_grant_is_refused_by_a_history_of_the_old_one() -> None:
    assert isinstance(await HISTORIES.objection("granted", Changed), NondeterminismError)


def test_every_branch_of_a_grant_has_its_history_and_every_history_its_branch() -> None:
    assert HISTORIES.kept == HISTORIES.branches.keys()


@workflow.defn(name=steps.WORKFLOW, sandboxed=False)
class Changed:
    """The process with a pause before its steps."""

    @workflow.run
    async def run(self, _start: StartGrant) -> str:
        await workflow.sleep(1)
        return "changed"

    @workflow.signal(name=steps.REVIEW)
    def review(self) -> None:
        """As the old one."""
