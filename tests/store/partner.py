"""A partner in memory, behind the port of payments: keeps its keys' promises, and can lose answers on purpose."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal

from services.chassis.clock import Clock
from services.chassis.jst import jst_date
from services.chassis.partners import OutcomeUnknown
from services.store.cards.models import CardFacts
from services.store.intents.models import PartnerCall
from services.store.models import Means
from services.store.payments.models import InvoiceFacts, PaymentState, Standing

Fault = Literal["lost", "done-and-lost", "failed", "done-and-failed"]
HOLDS_FOR = timedelta(days=7)


@dataclass
class Account:
    """One payment in the partner's own books."""

    ref: str
    merchant_ref: str
    amount: int
    state: PaymentState
    opened_at: datetime
    visible_at: datetime
    captured: int = 0
    refunded: int = 0
    decline_code: str = ""
    charges: int = 0
    issued_on: date | None = None
    paid: bool = False

    @property
    def live(self) -> bool:
        """It holds something of the payer's."""
        return self.state in {"authorised", "on-hold"} or self.captured > self.refunded


@dataclass
class Faults:
    """What goes wrong with the next calls, and how far look-ups are behind."""

    calls: deque[Fault | None] = field(default_factory=deque)
    down: bool = False
    late: timedelta = timedelta()


class SimulatedPartner:
    """Card, deferred or EPOS, as far as the store can tell."""

    def __init__(self, means: Means, clock: Clock) -> None:
        self.means = means
        self.clock = clock
        self.faults = Faults()
        self.accounts: dict[str, Account] = {}
        self.answers: dict[str, Standing] = {}
        self.next_result: PaymentState | None = None
        self.next_decline = "card-declined"
        self.asked: list[str] = []
        self.cards: dict[str, str | None] = {}
        self.tampered: Callable[[PartnerCall], None] = lambda _: None

    # The port.

    async def authorise(self, call: PartnerCall) -> Standing:
        return self._answered(call, self._open)

    async def renew(self, call: PartnerCall) -> Standing:
        return self._answered(call, self._open)

    async def capture(self, call: PartnerCall) -> Standing:
        return self._answered(call, self._capture)

    async def void(self, call: PartnerCall) -> Standing:
        return self._answered(call, self._void)

    async def refund(self, call: PartnerCall) -> Standing:
        return self._answered(call, self._refund)

    async def look_up(self, call: PartnerCall) -> Standing | None:
        self.tampered(call)
        if self.faults.down:
            raise OutcomeUnknown(answered=True)
        account = self.accounts.get(call.merchant_ref)
        if account is None or self.clock.now() < account.visible_at:
            return None
        self._lapse(account)
        return self._standing(account)

    # The vault.

    async def describe(self, token: str) -> CardFacts | None:
        if not token.startswith("pm_"):
            return None
        self.cards.setdefault(token, None)
        return CardFacts(processor_ref=token, brand="visa", last4="4242", expiry_month=12, expiry_year=2030)

    async def customer(self, member_id: str) -> str:
        return f"cus_{member_id}"

    async def detach(self, card_ref: str) -> None:
        self.asked.append(f"detach {card_ref}")
        self.cards.pop(card_ref, None)

    # What people and banks do there.

    def account(self, order_id: str, ordinal: int = 1) -> Account:
        return self.accounts[f"{order_id}-{ordinal}"]

    def decide(self, order_id: str, state: PaymentState, ordinal: int = 1) -> None:
        """The payer, or the provider, decides."""
        account = self.account(order_id, ordinal)
        account.state = state
        account.decline_code = self.next_decline if state == "declined" else ""

    # Inside.

    def _answered(self, call: PartnerCall, act: Callable[[PartnerCall], Account]) -> Standing:
        self.tampered(call)
        self.asked.append(call.key)
        fault = self.faults.calls.popleft() if self.faults.calls else None
        if fault in {"lost", "failed"}:
            raise OutcomeUnknown(answered=fault == "failed")
        if call.key not in self.answers:
            self.answers[call.key] = self._standing(act(call))
        if fault is not None:
            raise OutcomeUnknown(answered=fault == "done-and-failed")
        return self.answers[call.key]

    def _open(self, call: PartnerCall) -> Account:
        state, self.next_result = self.next_result or self._usual(call), None
        account = Account(
            ref=f"ref-{len(self.accounts)}-{call.merchant_ref}",
            merchant_ref=call.merchant_ref,
            amount=call.amount,
            state=state,
            opened_at=self.clock.now(),
            visible_at=self.clock.now() + self.faults.late,
            decline_code=self.next_decline if state == "declined" else "",
        )
        self.accounts[call.merchant_ref] = account
        if call.card_ref:
            self.cards[call.card_ref] = call.customer_ref
        return account

    def _usual(self, call: PartnerCall) -> PaymentState:
        return "requires-action" if self.means == "epos" and call.step == "authorise" else "authorised"

    def _capture(self, call: PartnerCall) -> Account:
        account = self.accounts[call.merchant_ref]
        self._lapse(account)
        if account.state == "authorised":
            account.state, account.captured = "captured", call.amount
            account.issued_on = jst_date(self.clock.now()) if self.means == "deferred" else None
        return account

    def _void(self, call: PartnerCall) -> Account:
        account = self.accounts[call.merchant_ref]
        if account.state in {"requires-action", "on-hold", "authorised"}:
            account.state = "voided"
        elif self.means == "deferred" and account.state == "captured" and not account.paid:
            account.state, account.refunded = "voided", account.captured
        return account

    def _refund(self, call: PartnerCall) -> Account:
        account = self.accounts[call.merchant_ref]
        assert account.captured - account.refunded >= call.amount, "more refunded than captured"
        account.refunded += call.amount
        return account

    def _lapse(self, account: Account) -> None:
        held = self.means == "card" and account.state == "authorised"
        if held and self.clock.now() - account.opened_at >= HOLDS_FOR:
            account.state = "voided"

    def _standing(self, account: Account) -> Standing:
        good = account.state in {"authorised", "captured"}
        until = account.opened_at + HOLDS_FOR if self.means == "card" and account.state == "authorised" else None
        invoice = None
        if account.issued_on is not None:
            due = account.issued_on + timedelta(days=14)
            invoice = InvoiceFacts(number="N1", issued_on=account.issued_on, due_on=due, charges=account.charges)
        return Standing(
            ref=account.ref,
            state=account.state,
            authorised=account.amount if good else 0,
            captured=account.captured,
            refunded=account.refunded,
            decline_code=account.decline_code,
            redirect_url=f"https://partner.example/{account.ref}" if account.state == "requires-action" else "",
            authorised_until=until,
            invoice=invoice,
            paid=account.paid,
        )


def shuffled_faults(random: Random, many: int) -> deque[Fault | None]:
    """A row of faults as a bad day brings them."""
    kinds: list[Fault | None] = [None, None, "lost", "done-and-lost", "failed", "done-and-failed"]
    return deque(random.choice(kinds) for _ in range(many))
