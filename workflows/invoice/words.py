"""What operators read of an invoice in the Temporal UI (OP-01)."""

from __future__ import annotations

from workflows.board import Card, written
from workflows.invoice.contract import LOOK_AGAIN, LOOK_AGAIN_SAYS, Invoice, State

_STATES: dict[State, tuple[str, str]] = {
    "requested": ("請求書の発行待ち", "the invoice is being issued"),
    "issued": ("請求書を発行済み、支払待ち", "the invoice was issued and waits to be paid"),
    "late": ("支払期限超過", "the invoice is late"),
    "paid": ("支払済み", "the invoice was paid"),
    "cancelled": ("請求取り下げ", "the invoice was withdrawn"),
}


def card(invoice_id: str, order_id: str, invoice: Invoice, problem: str) -> Card:
    """Where the invoice is, what it waits for, until when, and what an operator can do."""
    rows = {
        "invoice": f"`{invoice_id}`",
        "order": f"`{order_id}`",
        "回収手数料 collection charges": str(invoice.late_charges),
    }
    if invoice.next_charge_at:
        rows["支払がなければ加算 charged unless paid"] = written(invoice.next_charge_at)
    return Card(
        state=invoice.state,
        title=_STATES[invoice.state],
        rows=rows,
        problem=problem,
        actions={LOOK_AGAIN: LOOK_AGAIN_SAYS} if problem else {},
        deadline=invoice.next_charge_at,
    )
