"""The process of one deferred invoice: it waits to be paid, is charged when it is late, calls a person at the end.

The store owns every fact, the due date too. Whatever the provider says comes as a poke, after which the invoice is
looked at again (ST-24).
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.invoice.contract as steps
    from workflows.board import Board, acted
    from workflows.invoice.contract import Invoice, StartInvoice
    from workflows.invoice.words import card
    from workflows.kit import OperatorAction, ProcessTime, StepFailed

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
        self._board = Board(lambda problem: card(self._invoice_id, self._order_id, self._invoice, problem))
        self._poked = False

    @workflow.run
    async def run(self, _start: StartInvoice) -> str:
        """Ends with the state in which the invoice is over."""
        while not self._invoice.over:
            self._poked = False  # before the look: what comes while it is under way asks for another
            try:
                self._invoice = await self._look_or_charge()
            except StepFailed as failure:
                await self._board.stuck(failure.code, lambda: self._poked)
                continue
            self._board.show()
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
            await self._board.stuck(UNPAID, lambda: self._poked)

    @workflow.signal(name=steps.INVOICE_CHANGED)
    def invoice_changed(self) -> None:
        self._poked = True

    @workflow.update(name=steps.LOOK_AGAIN, description=steps.LOOK_AGAIN_SAYS)
    async def look_again(self, given: OperatorAction) -> str:
        """Goes on with what was stuck; answers with what was wrong."""
        wrong = self._board.wrong
        action = acted(
            steps.ActedOnInvoice, steps.LOOK_AGAIN, given, as_of=self._time.now(), invoice_id=self._invoice_id
        )
        await steps.RECORD_ACTION(action)
        self._poked = True
        return wrong
