"""A deferred invoice as the world may speak to it: id, input, signal and steps (ST-24)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from workflows.kit import PARTNER, SERVICE, TASK_QUEUE, Given, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "invoice"
INVOICE_CHANGED = "invoice_changed"

InvoiceState = Literal["requested", "issued", "late", "paid", "cancelled"]


def workflow_id(invoice_id: str) -> str:
    return f"{WORKFLOW}/{invoice_id}"


class StartInvoice(Start):
    """Which invoice; everything else is asked of the store."""

    invoice_id: str
    order_id: str
    member_id: str


class Invoice(Given):
    """Where the invoice stands, by the store. Instants are absolute (OP-05).

    Attributes:
        next_charge_at: when it is charged for lateness next, unless it is paid; nothing once no charge is left.
    """

    state: InvoiceState
    late_charges: int = 0
    next_charge_at: datetime | None = None

    @property
    def over(self) -> bool:
        return self.state in {"paid", "cancelled"}


class InvoiceStep(Given):
    """One look at an invoice."""

    invoice_id: str
    as_of: datetime


class ChargeLate(InvoiceStep):
    """One collection charge; `request_id` is the same in every repetition."""

    request_id: str
    ordinal: int


REVIEW = Step[InvoiceStep, Invoice]("store.review_invoice", Invoice, SERVICE, "read the invoice")
CHARGE = Step[ChargeLate, Invoice]("store.charge_late_invoice", Invoice, PARTNER, "late: add the collection charge")
