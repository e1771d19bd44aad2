"""The process of one deferred invoice: it waits to be paid, is charged when it is late, calls a person at the end.

The store owns every fact, the due date too. Whatever the provider says comes as a poke, after which the invoice is
looked at again (ST-24).
"""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    import workflows.invoice.contract as steps
    from workflows.invoice.contract import Invoice, StartInvoice
    from workflows.invoice.words import details
    from workflows.kit import OperatorAction, ProcessTime, StepFailed

STATE = SearchAttributeKey.for_keyword("State")
DEADLINE = SearchAttributeKey.for_datetime("Deadline")
NEEDS_OPERATOR = SearchAttributeKey.for_bool("NeedsOperator")

UNPAID = "invoice-unpaid"


@workflow.defn(name=steps.WORKFLOW)
class DeferredInvoice:
    """One invoice: looked at, waited for, charged."""

    @workflow.init
    def __init__(self, start: StartInvoice) -> None:
        self._invoice_id = start.invoice_id
        self._order_id = start.order_id
        self._time = ProcessTime(start)
        self._invoice = Invoice(state="issued")
        self._poked = False
        self._problem = ""
        self._shown = ""

    @workflow.run
    async def run(self, _start: StartInvoice) -> str:
        """Ends with the state in which the invoice is over."""
        while not self._invoice.over:
            self._poked = False
            try:
                self._invoice = await self._look_or_charge()
            except StepFailed as failure:
                await self._stuck(failure.code)
                continue
            self._show()
            await self._rest()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._invoice.state

    async def _look_or_charge(self) -> Invoice:
        """Looks at the invoice; charges it when it is late. The store decides, and its answer is followed (PR-06)."""
        now = self._time.now()
        invoice = await steps.REVIEW(steps.ReviewInvoice(invoice_id=self._invoice_id, as_of=now))
        if invoice.next_charge_at is None or invoice.next_charge_at > now:
            return invoice
        ordinal = invoice.late_charges + 1
        key = f"{steps.workflow_id(self._invoice_id)}/charge/ordinal={ordinal}"
        return await steps.CHARGE(
            steps.ChargeLate(request_id=key, invoice_id=self._invoice_id, as_of=now, ordinal=ordinal)
        )

    async def _rest(self) -> None:
        """Waits for the provider's word, or for the next instant at which something is due."""
        invoice = self._invoice
        if invoice.over:
            return
        until = invoice.next_charge_at or invoice.patience_until
        waited_for = "to be paid" if invoice.next_charge_at else "to be paid, all charges made"
        paid_or_poked = await self._time.wait(lambda: self._poked, until, waited_for)
        if not paid_or_poked and invoice.next_charge_at is None:
            await self._stuck(UNPAID)

    async def _stuck(self, problem: str) -> None:
        """Waits for an operator, or for the provider's next word; never ends the case (OP-04)."""
        self._problem = problem
        self._show()
        await workflow.wait_condition(lambda: self._poked)
        self._problem = ""

    @workflow.signal(name=steps.INVOICE_CHANGED)
    def invoice_changed(self) -> None:
        self._poked = True

    @workflow.update(name=steps.LOOK_AGAIN, description=steps.LOOK_AGAIN_SAYS)
    async def look_again(self, given: OperatorAction) -> str:
        """Goes on with what was stuck; answers with what was wrong."""
        info = workflow.current_update_info()
        acted = steps.Acted(
            request_id=f"{steps.workflow_id(self._invoice_id)}/act/{info.id if info else steps.LOOK_AGAIN}",
            as_of=self._time.now(),
            invoice_id=self._invoice_id,
            action=steps.LOOK_AGAIN,
            **given.model_dump(),
        )
        problem = self._problem
        await steps.RECORD_ACTION(acted)
        self._poked = True
        return problem or "nothing was wrong"

    def _show(self) -> None:
        """State, deadline and need in the list; the rest in the case's details (OP-01)."""
        shown = details(self._invoice_id, self._order_id, self._invoice, self._problem)
        if shown == self._shown:
            return
        self._shown = shown
        workflow.set_current_details(shown)
        due: datetime | None = self._invoice.next_charge_at
        workflow.upsert_search_attributes(
            [
                STATE.value_set(self._invoice.state),
                NEEDS_OPERATOR.value_set(bool(self._problem)),
                DEADLINE.value_set(due) if due else DEADLINE.value_unset(),
            ]
        )
