"""Which workflows the store starts; those of the flows that own what is sold are only told (OP-06)."""

from __future__ import annotations

from services.chassis.events import ProcessLine
from services.chassis.processes import Opening, Process
from workflows.invoice import contract


def _invoice(line: ProcessLine, ahead: float) -> Opening:
    about = {name: str(line.arguments[name]) for name in ("invoice_id", "order_id", "member_id")}
    return Opening(
        contract.StartInvoice(clock_ahead_seconds=ahead, **about),
        summary="Deferred invoice: due, late, paid",
        attributes={"Case": contract.WORKFLOW, "OrderId": about["order_id"], "MemberId": about["member_id"]},
    )


PROCESSES = {contract.WORKFLOW: Process(contract.WORKFLOW, contract.TASK_QUEUE, _invoice)}
