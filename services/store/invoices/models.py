"""Invoices of deferred payments: issued after the goods, due, late, paid (ST-24)."""

from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa

from services.chassis.columns import instant, is_one_of, text, whole
from services.chassis.jst import deadline
from services.store.models import Table, View
from services.store.settings import LateRules

InvoiceState = Literal["requested", "issued", "late", "paid", "cancelled"]
STATES: tuple[InvoiceState, ...] = InvoiceState.__args__  # type: ignore[attr-defined]  # the words of a Literal
OPEN: tuple[InvoiceState, ...] = ("issued", "late")


class InvoiceView(View):
    """An invoice as it is answered.

    Attributes:
        charges: yen of collection charges so far.
        due_at: 24:00 in Japan of the last day on which it can be paid in time.
        next_charge_at: when it will be charged for lateness next, unless it is paid; nothing once that is over.
        patience_until: when an operator is called, where nothing more is charged and it is still not paid.
    """

    invoice_id: str
    order_id: str
    state: InvoiceState
    amount: int
    charges: int
    late_charges: int
    due_on: date | None
    due_at: datetime | None
    next_charge_at: datetime | None
    patience_until: datetime | None


class Invoice(Table, table=True):
    __tablename__ = "invoices"
    __table_args__ = (
        sa.CheckConstraint(is_one_of("state", STATES), name="invoices_state"),
        sa.CheckConstraint("amount > 0 and charges >= 0", name="invoices_amounts"),
        sa.CheckConstraint("late_charges between 0 and 3", name="invoices_late_charges"),
        sa.CheckConstraint("state = 'requested' or due_on is not null or state = 'cancelled'", name="invoices_due"),
        sa.UniqueConstraint("payment_id", name="invoices_payment"),
        sa.Index("invoices_of_order", "order_id"),
    )

    invoice_id: str = text(primary_key=True)
    order_id: str = text(foreign_key="store.orders.order_id")
    payment_id: str = text(foreign_key="store.payments.payment_id")
    member_id: str = text()
    state: InvoiceState = text()
    number: str = text(default="")
    """The provider's, as it stands on the slip."""
    amount: int = whole()
    charges: int = whole(default=0)
    late_charges: int = 0
    due_on: date | None = None
    requested_at: datetime = instant()
    issued_at: datetime | None = instant(default=None)
    paid_at: datetime | None = instant(default=None)

    @property
    def ids(self) -> dict[str, str]:
        """What every event of it, and its process, names: the invoice, its order and the member."""
        return {"invoice_id": self.invoice_id, "order_id": self.order_id, "member_id": self.member_id}

    def due(self, ordinal: int, late: LateRules) -> datetime:
        """When the collection charge of this ordinal, from 1, may be made (ST-24).

        Raises:
            ValueError: it was not issued yet.
        """
        if self.due_on is None:
            raise ValueError("an invoice that was not issued is not due")
        return deadline(self.due_on + (ordinal - 1) * late.spacing)

    def view(self, late: LateRules) -> InvoiceView:
        own = self.model_dump() | {"due_at": self.due(1, late) if self.due_on else None}
        next_one = self.due(self.late_charges + 1, late) if self.state in OPEN else None
        charged_enough = self.late_charges >= late.most
        own |= {"next_charge_at": None if charged_enough else next_one}
        own |= {"patience_until": next_one if charged_enough else None}
        return InvoiceView.model_validate(own)


class InvoiceAction(Table, table=True):
    """What an operator did to the process of an invoice (OP-02)."""

    __tablename__ = "invoice_actions"

    action_id: str = text(primary_key=True)
    invoice_id: str = text(foreign_key="store.invoices.invoice_id")
    operator: str = text()
    action: str = text()
    reason: str = text()
    acted_at: datetime = instant()
