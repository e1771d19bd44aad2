"""Invoices of deferred payments: issued after the goods came, charged when late, over when paid (ST-24, SK-38)."""

from __future__ import annotations

from datetime import date

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.events import Event, ProcessLine
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.store.intents import repository as calls
from services.store.intents.domain import Intents, PartnerSilent
from services.store.intents.models import Change, PartnerReply
from services.store.invoices import repository
from services.store.invoices.models import Invoice, InvoiceAction, InvoiceView
from services.store.models import View
from services.store.orders import repository as orders
from services.store.payments.domain import PaymentMissing, PaymentOnHold
from services.store.payments.models import STATES, InvoiceFacts
from services.store.settings import Rules

PROCESS = "invoice"
INVOICE_CHANGED = "invoice_changed"


class InvoiceIssued(Event):
    order_id: str
    invoice_id: str
    due_on: date


class InvoiceLate(Event):
    order_id: str
    invoice_id: str
    ordinal: int
    charge: int


class InvoicePaid(Event):
    order_id: str
    invoice_id: str


class NotPaidLater(RuumError):
    """The order is not paid by invoice, or its payment does not stand."""

    kind = Kind.REFUSED
    code = "not-paid-later"


class InvoiceNotLate(RuumError):
    """There is time left to pay it, or an earlier charge has not been made."""

    kind = Kind.REFUSED
    code = "invoice-not-late"


class IssueInvoice(Command):
    order_id: str


class ConcludeIssuing(Command):
    payment_id: str


class ChargeLateInvoice(Command):
    invoice_id: str
    ordinal: int


class RecordAction(Command):
    """`reason`: a code."""

    invoice_id: str
    operator: str
    action: str
    reason: str


class Recorded(View):
    action_id: str


class Invoices(Verbs):
    def __init__(self, commands: Commands, intents: Intents, rules: Rules) -> None:
        self.commands = commands
        self._intents = intents
        self._late = rules.late

    async def issue(self, caller: Caller, asked: IssueInvoice) -> InvoiceView:
        """Has the provider issue the invoice: the goods came, or went back to the maker (SK-38).

        Raises:
            PaymentMissing: the order has no payment.
            NotPaidLater: it is not paid by invoice.
            PaymentOnHold: the provider has not agreed yet.
            PartnerSilent: try again later.
        """
        payment_id = await self._want(caller, asked)
        reply = await self._intents.heard(payment_id)
        concluding = ConcludeIssuing(request_id=asked.request_id, as_of=asked.as_of, payment_id=payment_id)
        return await self._conclude_issuing(caller, concluding, reply)

    @command
    async def _want(self, work: Work, asked: IssueInvoice) -> str:
        payment = await orders.payment_of(work.tx, asked.order_id, locked=True)
        if payment is None:
            raise PaymentMissing
        if payment.state == "on-hold":
            raise PaymentOnHold
        good = payment.state in {"authorised", "captured"} and payment.unwanted_at is None
        if payment.means != "deferred" or not good:
            raise NotPaidLater
        invoice = Invoice.make(
            invoice_id=new_id("inv"),
            state="requested",
            requested_at=work.now,
            **payment.model_dump(include={"order_id", "payment_id", "member_id", "amount"}),
        )
        await repository.request(work.tx, invoice)
        if payment.state == "authorised":
            await calls.open_intent(work.tx, payment, "capture", work.now)
        return payment.payment_id

    @command
    async def _conclude_issuing(self, work: Work, asked: ConcludeIssuing, reply: PartnerReply) -> InvoiceView:
        await self._intents.settled(work, asked.payment_id, reply)
        invoice = await repository.of_payment(work.tx, asked.payment_id)
        if invoice is None or invoice.state == "requested":
            raise PartnerSilent
        return invoice.view(self._late)

    async def review(self, invoice_id: str) -> InvoiceView:
        """An invoice as it stands, and when it is to be looked at next.

        Raises:
            NotFound: no such invoice.
        """
        return (await self._found(invoice_id)).view(self._late)

    async def charge_late(self, caller: Caller, asked: ChargeLateInvoice) -> InvoiceView:
        """A due date passed: late unless it was paid, as the provider says now; each charge once (ST-24).

        Raises:
            NotFound: no such invoice.
            InvoiceNotLate: there is time left, or an earlier charge has not been made.
            PartnerSilent: try again later.
        """
        invoice = await self._found(asked.invoice_id)
        reply = await self._intents.heard(invoice.payment_id, look=STATES)
        return await self._charge_late(caller, asked, reply)

    @command
    async def _charge_late(self, work: Work, asked: ChargeLateInvoice, reply: PartnerReply) -> InvoiceView:
        invoice = await repository.get(work.tx, asked.invoice_id)
        if invoice is None:
            raise NotFound
        await self._intents.settled(work, invoice.payment_id, reply)
        if invoice.due_on is None or work.now < invoice.due(asked.ordinal, self._late):
            raise InvoiceNotLate
        await self._charge(work, invoice.invoice_id, asked.ordinal)
        stands = await repository.get(work.tx, asked.invoice_id)
        if stands is None or (stands.state in {"issued", "late"} and stands.late_charges < asked.ordinal):
            raise InvoiceNotLate
        return stands.view(self._late)

    @command
    async def record_action(self, work: Work, asked: RecordAction) -> Recorded:
        """Keeps who did what to the process of an invoice, and why (OP-02).

        Raises:
            NotFound: no such invoice.
        """
        if await repository.get(work.tx, asked.invoice_id) is None:
            raise NotFound
        action_id = new_id("act")
        given = asked.model_dump(include={"invoice_id", "operator", "action", "reason"})
        work.tx.add(InvoiceAction.make(action_id=action_id, acted_at=work.now, **given))
        return Recorded(action_id=action_id)

    async def _charge(self, work: Work, invoice_id: str, ordinal: int) -> bool:
        charged = await repository.charge(work.tx, invoice_id, ordinal, self._late.charge)
        if charged is not None:
            about = {"aggregate_id": invoice_id, **charged.ids}
            work.tell(InvoiceLate(**about, ordinal=ordinal, charge=self._late.charge))
        return charged is not None

    async def follow(self, work: Work, change: Change) -> None:
        """What the provider's word does to an invoice, in the same transaction."""
        payment, said = change.payment, change.reply.said
        if payment.means != "deferred" or said is None:
            return
        moved = False
        if said.invoice is not None:
            moved = await self._follow_provider(work, payment.payment_id, said.invoice)
        if payment.paid_at is not None:
            moved |= await self._paid(work, payment.payment_id)
        elif payment.ended:
            moved |= await repository.settle(work.tx, payment.payment_id, "cancelled") is not None
        invoice = await repository.of_payment(work.tx, payment.payment_id) if moved else None
        if invoice is not None and work.caller.name != "worker":
            work.run(ProcessLine(process=PROCESS, key=invoice.invoice_id, action=INVOICE_CHANGED))

    async def _follow_provider(self, work: Work, payment_id: str, facts: InvoiceFacts) -> bool:
        """Issued, with the provider's number and due date; and charged as often as the provider did."""
        values = {"number": facts.number, "due_on": facts.due_on}
        issued = await repository.issued(work.tx, payment_id, values, work.now)
        if issued is not None:
            work.tell(InvoiceIssued(aggregate_id=issued.invoice_id, **issued.ids, due_on=facts.due_on))
            work.run(ProcessLine(process=PROCESS, key=issued.invoice_id, arguments=issued.ids))
        invoice = await repository.of_payment(work.tx, payment_id)
        charged = False
        if invoice is not None and self._late.charge:
            # The provider charges by itself: each charge in its sum that we have not made is made and told.
            times = min(facts.charges // self._late.charge, self._late.most)
            for ordinal in range(invoice.late_charges + 1, times + 1):
                charged |= await self._charge(work, invoice.invoice_id, ordinal)
        return charged

    async def _paid(self, work: Work, payment_id: str) -> bool:
        paid = await repository.settle(work.tx, payment_id, "paid", paid_at=work.now)
        if paid is not None:
            work.tell(InvoicePaid(aggregate_id=paid.invoice_id, **paid.ids))
        return paid is not None

    async def _found(self, invoice_id: str) -> Invoice:
        async with self.commands.database.reading() as session:
            invoice = await repository.get(session, invoice_id)
        if invoice is None:
            raise NotFound
        return invoice
