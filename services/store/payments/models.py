"""Payments: what was asked of a partner, what the partner says, and what follows from it (ST-21)."""

from datetime import date, datetime
from typing import Literal, TypedDict, cast

import sqlalchemy as sa

from services.chassis.columns import instant, is_one_of, text, whole
from services.store.models import Means, Table, View

PaymentState = Literal[
    "none-needed",
    "asked",
    "requires-action",
    "on-hold",
    "authorised",
    "captured",
    "refunded",
    "voided",
    "declined",
]
Shown = PaymentState | Literal["unknown"]
Step = Literal["authorise", "renew", "capture", "void", "refund", "detach"]

STATES: tuple[PaymentState, ...] = PaymentState.__args__  # type: ignore[attr-defined]  # the words of a Literal
STEPS: tuple[Step, ...] = Step.__args__  # type: ignore[attr-defined]  # as above
UNDOING: tuple[Step, ...] = ("void", "refund")
ENDED: tuple[PaymentState, ...] = ("none-needed", "refunded", "voided", "declined")
WAITING: tuple[PaymentState, ...] = ("requires-action", "on-hold")
"""Somebody else decides: the payer at the partner's page, or the provider."""
GOOD: tuple[PaymentState, ...] = ("none-needed", "on-hold", "authorised")
"""With these an order may be placed; one on hold never ships (ST-24)."""
_FORWARD: dict[str, int] = {
    state: rank for rank, state in enumerate(("asked", "requires-action", "on-hold", "authorised", "captured"))
}

LAPSED = "authorisation-lapsed"
PAYER_LATE = "payer-too-late"
CAPTURE_REFUSED = "capture-refused"

CARD_AT_LEAST = 50
"""Yen that the processor charges at least."""


def kept(state: PaymentState, authorised: int, captured: int, refunded: int) -> int:
    """Yen of a payer's that a payment holds or keeps: reserved, or taken and not given back."""
    if state in ENDED:
        return 0
    return captured - refunded if captured else authorised


class InvoiceFacts(View):
    """What the deferred-payment provider says of its invoice."""

    number: str
    issued_on: date
    due_on: date
    charges: int


class Standing(View):
    """How a payment stands at the partner, by the partner's own word.

    Attributes:
        ref: the partner's reference; empty for what never reached it.
        authorised: yen; so are `captured` and `refunded`.
        paid: the invoice of a deferred payment is settled.
        refund_failed: money that was on its way back did not arrive.
    """

    ref: str = ""
    state: PaymentState
    authorised: int = 0
    captured: int = 0
    refunded: int = 0
    decline_code: str = ""
    redirect_url: str = ""
    authorised_until: datetime | None = None
    invoice: InvoiceFacts | None = None
    paid: bool = False
    refund_failed: bool = False

    @property
    def kept(self) -> int:
        """Yen of the payer's that it holds or keeps."""
        return kept(self.state, self.authorised, self.captured, self.refunded)

    def fulfils(self, step: Step, amount: int) -> bool:
        """Whether what a step wanted has come about, or no longer can."""
        if self.state in {"voided", "declined"}:
            return True
        match step:
            case "authorise" | "renew":
                return True
            case "capture":
                return self.captured >= amount
            case "refund":
                return self.refunded >= amount
        return False


NEVER_ARRIVED = Standing(state="voided")


class PaymentView(View):
    """A payment as it is answered; `decline_code` is a text code (ST-23)."""

    payment_id: str
    means: Means
    state: Shown
    amount: int
    decline_code: str = ""
    redirect_url: str = ""
    action_until: datetime | None = None
    authorised_until: datetime | None = None


class PaymentChanges(TypedDict, total=False):
    """The columns that a partner's word, or the passing of time, changes."""

    state: PaymentState
    partner_ref: str
    authorised: int
    captured: int
    refunded: int
    redirect_url: str
    decline_code: str
    problem: str
    action_until: datetime | None
    authorised_until: datetime | None
    unwanted_at: datetime | None
    paid_at: datetime | None


class Payment(Table, table=True):
    """One authorisation at one partner, and what became of it."""

    __tablename__ = "payments"
    __table_args__ = (
        sa.CheckConstraint(is_one_of("state", STATES), name="payments_state"),
        sa.CheckConstraint(is_one_of("means", ("card", "deferred", "epos", "none")), name="payments_means"),
        sa.CheckConstraint(
            "0 <= refunded and refunded <= captured and captured <= authorised and authorised <= amount",
            name="payments_invariant",
        ),
        sa.CheckConstraint("(means = 'none') = (amount = 0)", name="payments_amount"),
        sa.UniqueConstraint("merchant_ref", name="payments_merchant_ref"),
        sa.UniqueConstraint("order_id", "ordinal", name="payments_ordinal"),
        sa.Index("payments_attempt", "order_id", "attempt", unique=True, postgresql_where=sa.text("attempt > 0")),
        sa.Index("payments_partner_ref", "partner_ref", postgresql_where=sa.text("partner_ref <> ''")),
        sa.Index("payments_at_the_partner", "action_until", postgresql_where=sa.text("state = 'requires-action'")),
    )

    payment_id: str = text(primary_key=True)
    order_id: str = text(foreign_key="store.orders.order_id")
    member_id: str = text()
    ordinal: int
    """Counts the payments of an order, from 1."""
    attempt: int = 0
    """Which try of placing it belongs to; 0 for what came after the order was placed."""
    merchant_ref: str = text()
    """What the partner knows it by."""
    means: Means = text()
    state: PaymentState = text()
    amount: int = whole()
    authorised: int = whole(default=0)
    captured: int = whole(default=0)
    refunded: int = whole(default=0)
    partner_ref: str = text(default="")
    card_id: str | None = text(default=None)
    decline_code: str = text(default="")
    redirect_url: str = text(default="")
    problem: str = text(default="")
    """Why money that should come back does not: a code, for an operator."""
    credit_held: bool = False
    """Its amount counts towards what the member may owe (ST-24)."""
    asked_at: datetime = instant()
    action_until: datetime | None = instant(default=None)
    authorised_until: datetime | None = instant(default=None)
    unwanted_at: datetime | None = instant(default=None)
    """From when on whatever it took has to come back."""
    paid_at: datetime | None = instant(default=None)

    @property
    def kept(self) -> int:
        """Yen of the payer's that it holds or keeps, as far as we know."""
        return kept(self.state, self.authorised, self.captured, self.refunded)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def undoing(self) -> Step | None:
        """The step that brings back what an unwanted payment took; none when nothing is left or known to be there."""
        if self.unwanted_at is None or self.ended or self.state == "asked":
            return None
        # An invoice is withdrawn, it is not paid back.
        return "refund" if self.state == "captured" and self.means != "deferred" else "void"

    def after(self, said: Standing, now: datetime) -> PaymentChanges:
        """What the partner's word changes: a state never goes back, and what is older than we know is no news."""
        # The bank sent the money back to us: it is captured still, and a person has to pay it out.
        if said.refund_failed and self.captured:
            return {"state": "captured", "refunded": said.refunded, "problem": "refund-failed"}
        # What we gave up without the partner ever having shown it may show after all; anything else that ended is over.
        if self.ended and (self.partner_ref or self.means == "none"):
            return {}
        state = self._state_after(said)
        captured = max(self.captured, said.captured)
        changes: PaymentChanges = {
            "state": state,
            "partner_ref": said.ref or self.partner_ref,
            "authorised": max(self.authorised, said.authorised, captured),
            "captured": captured,
            "refunded": captured if state == "refunded" else max(self.refunded, said.refunded),
            "redirect_url": said.redirect_url or self.redirect_url,
            "authorised_until": said.authorised_until or self.authorised_until,
            "paid_at": self.paid_at or (now if said.paid else None),
            **self._refusal(state, said, now),
        }
        news = {name: value for name, value in changes.items() if value != getattr(self, name)}
        return cast("PaymentChanges", news)

    def _state_after(self, said: Standing) -> PaymentState:
        if said.state in {"voided", "declined"}:
            return "refunded" if self.captured else said.state
        if said.captured and max(said.refunded, self.refunded) >= max(said.captured, self.captured):
            return "refunded"
        if self.ended:
            return said.state  # it arrived after all, after we had given it up
        return said.state if _FORWARD[said.state] > _FORWARD[self.state] else self.state

    def _refusal(self, state: PaymentState, said: Standing, now: datetime) -> PaymentChanges:
        """Why it does not count, where it does not."""
        if state == "declined":
            return {"decline_code": self.decline_code or said.decline_code}
        if self.unwanted_at is not None:
            return {}
        if state == "voided":
            return {"decline_code": LAPSED}
        if self.state == "requires-action" and state != "requires-action" and self.too_late(now):
            return {"decline_code": PAYER_LATE, "unwanted_at": now}
        return {}

    def too_late(self, now: datetime) -> bool:
        """Whether the time that a payer has is over (ST-21)."""
        return self.action_until is not None and now >= self.action_until

    def view(self) -> PaymentView:
        """How it counts: one that was refused or came too late is declined, whatever still has to come back."""
        state: Shown = "unknown" if self.state == "asked" else self.state
        shown = self.model_dump() | {"state": "declined" if self.decline_code else state}
        if state != "requires-action":
            shown |= {"redirect_url": "", "action_until": None}
        return PaymentView.model_validate(shown)


class Credit(Table, table=True):
    """What a member owes by deferred payment: one row, so that a conditional UPDATE decides (ST-24)."""

    __tablename__ = "credits"
    __table_args__ = (sa.CheckConstraint("outstanding >= 0", name="credits_outstanding"),)

    member_id: str = text(primary_key=True)
    outstanding: int = whole()
