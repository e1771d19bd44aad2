"""A deferred invoice as the world may speak to it: id, input, signal, operators' action and steps (ST-24)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from workflows.kit import PARTNER, SERVICE, TASK_QUEUE, Acted, Given, Recorded, Start, Step

__all__ = ["TASK_QUEUE"]

WORKFLOW = "invoice"
INVOICE_CHANGED = "invoice_changed"
LOOK_AGAIN = "look_again"
LOOK_AGAIN_SAYS = "The problem is mended, or the customer was spoken to: look at the invoice again"

State = Literal["requested", "issued", "late", "paid", "cancelled"]


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
        patience_until: when an operator is called, where no charge is left and it is still not paid.
    """

    state: State
    late_charges: int = 0
    next_charge_at: datetime | None = None
    patience_until: datetime | None = None

    @property
    def over(self) -> bool:
        return self.state in {"paid", "cancelled"}


class ReviewInvoice(Given):
    """`as_of`: the process's time."""

    invoice_id: str
    as_of: datetime


class ChargeLate(ReviewInvoice):
    """`request_id`: workflow id, step and the charge's ordinal."""

    request_id: str
    ordinal: int


class ActedOnInvoice(Acted):
    invoice_id: str


REVIEW = Step[ReviewInvoice, Invoice]("store.review_invoice", Invoice, SERVICE, "see where the invoice stands")
CHARGE = Step[ChargeLate, Invoice]("store.charge_late_invoice", Invoice, PARTNER, "late: add the collection charge")
RECORD_ACTION = Step[ActedOnInvoice, Recorded]("store.record_action", Recorded, SERVICE, "note the operator's action")
