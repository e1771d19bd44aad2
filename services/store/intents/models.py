"""Calls to partners: each is written down before it is made, and done when its outcome is (ST-21)."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from services.chassis.columns import instant, is_one_of, text, whole
from services.store.models import Means, Table
from services.store.orders.models import Order
from services.store.payments.models import STEPS, Payment, PaymentState, Standing, Step


class Intent(Table, table=True):
    """A call to a partner: written before it is made, done when its outcome is (ST-21)."""

    __tablename__ = "intents"
    __table_args__ = (
        sa.CheckConstraint(is_one_of("step", STEPS), name="intents_step"),
        sa.UniqueConstraint("payment_id", "step", name="intents_once"),
        # The partner is asked for one thing at a time; forgetting a card disturbs nothing.
        sa.Index(
            "intents_one_open",
            "payment_id",
            unique=True,
            postgresql_where=sa.text("done_at is null and step <> 'detach'"),
        ),
        sa.Index("intents_open", "looked_at", postgresql_where=sa.text("done_at is null")),
    )

    intent_id: str = text(primary_key=True)
    payment_id: str = text(foreign_key="store.payments.payment_id")
    step: Step = text()
    amount: int = whole()
    opened_at: datetime = instant()
    tries: int = 0
    asked_at: datetime | None = instant(default=None)
    looked_at: datetime = instant()
    """When somebody last took it up, called or not: the sweep goes on with what waited longest."""
    done_at: datetime | None = instant(default=None)


class PartnerCall(BaseModel):
    """One call to a partner, with all that it needs; asked again it is the very same.

    Attributes:
        key: names the call at the partner: the order's payment and the step.
        amount: yen.
        only_looks: it is no longer wanted: it is not asked for again, but whether it came about has to be seen.
        tries: how often the partner was asked before, and `asked_at` when last.
        may_call: it may be made now; else it is only looked up.
    """

    model_config = ConfigDict(frozen=True)

    intent_id: str
    payment_id: str
    step: Step
    key: str
    merchant_ref: str
    partner_ref: str
    means: Means
    amount: int
    order_id: str
    member_id: str
    only_looks: bool = False
    tries: int
    asked_at: datetime | None
    may_call: bool = False
    card_ref: str = ""
    customer_ref: str = ""
    invoice_to: str = "delivery"
    buyer: dict[str, str] = Field(default_factory=dict)
    delivery: dict[str, str] = Field(default_factory=dict)

    def return_url(self, public_url: str) -> str:
        """Where the payer comes back to from a partner's page (ST-21)."""
        return f"{public_url}/orders/{self.order_id}/payer-returned"


class PartnerReply(BaseModel):
    """What was heard from a partner.

    Attributes:
        said: how the payment stands; nothing when nobody was asked.
        silent: somebody was asked, and what became of it is not known.
        intent_id: the call that this answers, and its `step`; empty for a mere look.
    """

    model_config = ConfigDict(frozen=True)

    said: Standing | None = None
    silent: bool = False
    intent_id: str = ""
    step: Step | None = None


@dataclass(frozen=True)
class Change:
    """What became of an order's payment by a partner's word; `was` and `was_declined` tell how it stood before."""

    payment: Payment
    order: Order
    was: PaymentState
    was_declined: bool
    reply: PartnerReply

    @property
    def is_news(self) -> bool:
        return self.was != self.payment.state or self.newly_declined

    @property
    def newly_declined(self) -> bool:
        return bool(self.payment.decline_code) and not self.was_declined
