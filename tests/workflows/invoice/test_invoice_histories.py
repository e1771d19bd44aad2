"""Running cases outlive the code that started them: each branch's history is replayed by today's code (OP-05)."""

from __future__ import annotations

import pytest
from temporalio import workflow
from temporalio.workflow import NondeterminismError

from tests.workflows.invoice.branches import HISTORIES
from workflows.invoice import contract as steps
from workflows.invoice.contract import StartInvoice
from workflows.invoice.workflow import DeferredInvoice


@pytest.mark.rule("OP-05")
@pytest.mark.parametrize("branch", sorted(HISTORIES.branches))
async def test_the_history_of_every_branch_of_an_invoice_replays(branch: str) -> None:
    assert await HISTORIES.objection(branch, DeferredInvoice) is None


@pytest.mark.rule("OP-05")
async def test_a_changed_invoice_process_is_refused_by_a_history_of_the_old_one() -> None:
    assert isinstance(await HISTORIES.objection("late", Changed), NondeterminismError)


def test_every_branch_of_an_invoice_has_its_history_and_every_history_its_branch() -> None:
    assert HISTORIES.kept == HISTORIES.branches.keys()


@workflow.defn(name=steps.WORKFLOW, sandboxed=False)
class Changed:
    """The process with a pause before its steps."""

    @workflow.run
    async def run(self, _start: StartInvoice) -> str:
        await workflow.sleep(1)
        return "changed"
