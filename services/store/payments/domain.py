"""Payments: authorised with the order, renewed, captured when it leaves, changed for another means (ST-21)."""

from __future__ import annotations

from services.chassis.caller import Caller
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.store.cards.domain import Cards, Given, save
from services.store.intents import repository as calls
from services.store.intents.domain import Intents, PartnerSilent
from services.store.intents.models import PartnerReply
from services.store.models import Means, View
from services.store.orders import repository as orders
from services.store.orders.models import UNDISPATCHED, Order, OrderChanges
from services.store.payments import repository
from services.store.payments.models import (
    CARD_AT_LEAST,
    LAPSED,
    STATES,
    WAITING,
    Payment,
    PaymentView,
    Step,
)
from services.store.settings import Rules


class AttemptOver(RuumError):
    """This try of placing the order is not under way: it ended, or never began."""

    kind = Kind.REFUSED
    code = "attempt-over"


class PaymentMissing(RuumError):
    """The order was not placed: nothing has been asked of a partner."""

    kind = Kind.REFUSED
    code = "payment-missing"


class PaymentOnHold(RuumError):
    """The provider still looks at the payment: it never ships like that (ST-24)."""

    kind = Kind.REFUSED
    code = "payment-on-hold"


class MeansNotWanted(RuumError):
    """The order has a payment that stands; there is nothing to change (SK-38)."""

    kind = Kind.REFUSED
    code = "means-not-wanted"


class MeansNotOffered(RuumError):
    """The order cannot be paid by this means."""

    kind = Kind.REFUSED
    code = "means-not-offered"


class DeferredLimitReached(RuumError):
    """With this the member would owe more than the limit (ST-24)."""

    kind = Kind.REFUSED
    code = "deferred-limit-reached"


class Authorise(Command):
    order_id: str
    attempt: int


class EnsureAuthorised(Command):
    order_id: str


class CapturePayment(Command):
    order_id: str


class BeginCapture(Command):
    payment_id: str


class PayerReturned(Command):
    order_id: str


class ChangeMeans(Command):
    order_id: str
    means: Means
    card_id: str = ""


class Conclude(Command):
    payment_id: str


class Concluded(View):
    view: PaymentView
    undoing: bool


class Payments(Verbs):
    """What the order's process and the payer do with the payment that counts; partners are asked by `Intents`."""

    def __init__(self, commands: Commands, intents: Intents, cards: Cards, rules: Rules) -> None:
        self.commands = commands
        self._intents = intents
        self._cards = cards
        self._rules = rules

    async def authorise(self, caller: Caller, asked: Authorise) -> PaymentView:
        """Asks the partner for the payment of an order that is being placed; asked again, looks how it stands.

        Raises:
            AttemptOver: this try is not under way.
        """
        payment_id = await self._begin(caller, asked)
        reply = await self._intents.hear(payment_id, look=WAITING)
        return await self._answer(caller, asked, payment_id, reply, kept=not reply.silent)

    @command
    async def _begin(self, work: Work, asked: Authorise) -> str:
        payment_id = new_id("pay")
        order = await orders.start_payment(work.tx, asked.order_id, asked.attempt, payment_id)
        if order is None:
            known = await repository.of_attempt(work.tx, asked.order_id, asked.attempt)
            if known is None:
                raise AttemptOver
            return known.payment_id
        await self._ask_for(work, order, self._payment(work, order, payment_id, attempt=asked.attempt), "authorise")
        return payment_id

    async def ensure_authorised(self, caller: Caller, asked: EnsureAuthorised) -> PaymentView:
        """How the payment stands at its partner; one that lapses soon, or has lapsed, is asked for anew (SK-38).

        Raises:
            PaymentMissing: the order was not placed.
            PartnerSilent: try again later.
        """
        payment = await self._current(asked.order_id)
        reply = await self._intents.heard(payment.payment_id, look=STATES)
        payment_id = await self._renew(caller, asked, payment.payment_id, reply)
        if payment_id != payment.payment_id:
            reply = await self._intents.heard(payment_id)
        return await self._answer(caller, asked, payment_id, reply, kept=True)

    @command
    async def _renew(self, work: Work, asked: EnsureAuthorised, heard_of: str, reply: PartnerReply) -> str:
        payment = await self._intents.settled(work, heard_of, reply)
        order = await orders.get(work.tx, asked.order_id)
        # Read once it is locked: while the partner was asked, another payment may have taken this one's place.
        if order is None or order.payment_id != payment.payment_id:
            raise PartnerSilent
        if order.state not in UNDISPATCHED or not self._lapses(payment, work):
            return payment.payment_id
        renewed = self._payment(work, order, new_id("pay"))
        await orders.replace_payment(work.tx, order, {"payment_id": renewed.payment_id})
        await self._ask_for(work, order, renewed, "renew")
        return renewed.payment_id

    def _lapses(self, payment: Payment, work: Work) -> bool:
        """Whether the payer's promise is gone, or goes before it can be of use."""
        if payment.state == "voided":
            return payment.decline_code == LAPSED
        until = payment.authorised_until
        return payment.state == "authorised" and until is not None and until - work.now <= self._rules.renew_before

    async def capture(self, caller: Caller, asked: CapturePayment) -> PaymentView:
        """Claims the money when the order leaves; what is paid by invoice stays as it is until then (ST-26, SK-38).

        An answer that brings no money is not kept: asked again under the same id, it is tried again.

        Raises:
            PaymentMissing: the order was not placed.
            PaymentOnHold: the provider has not agreed yet.
            PartnerSilent: try again later.
        """
        payment = await self._current(asked.order_id)
        if payment.state == "on-hold":
            raise PaymentOnHold
        if payment.means in {"card", "epos"}:
            # One beginning for each payment: after a change of means the same request captures the new one.
            key = f"{asked.request_id}/{payment.payment_id}"
            await self._begin_capture(caller, BeginCapture(request_id=key, payment_id=payment.payment_id))
        reply = await self._intents.heard(payment.payment_id)
        taken = reply.said.captured > 0 if reply.said else not payment.decline_code
        view = await self._answer(caller, asked, payment.payment_id, reply, kept=taken)
        if view.state == "authorised" and view.means != "deferred":
            raise PartnerSilent  # what was heard first was another call's outcome
        return view

    @command
    async def _begin_capture(self, work: Work, asked: BeginCapture) -> None:
        payment, _ = await repository.locked(work.tx, asked.payment_id)
        if payment.state == "authorised" and payment.unwanted_at is None:
            await calls.open_intent(work.tx, payment, "capture", work.now)

    async def payer_returned(self, caller: Caller, asked: PayerReturned) -> PaymentView:
        """The payer is back from the partner's page: the partner is asked what was decided (ST-21).

        Where that is no news nothing is written: a page that is loaded again and again changes nothing.

        Raises:
            NotFound: no order of this member's with a payment.
        """
        payment = await self._own(caller, asked.order_id)
        reply = await self._intents.hear(payment.payment_id, look=STATES)
        if not self._intents.is_news(payment, reply):
            return payment.view()
        return await self._answer(caller, asked, payment.payment_id, reply, kept=not reply.silent)

    async def change_means(self, caller: Caller, asked: ChangeMeans) -> PaymentView:
        """Another means for an order whose payment could not be kept (SK-38, ST-26).

        Raises:
            NotFound: no such order of this member's.
            MeansNotWanted: its payment stands, or it is over.
            MeansNotOffered: not by this means.
            CardUnknown: no such card.
            DeferredLimitReached: the member would owe too much.
        """
        await self._own(caller, asked.order_id)
        given = await self._cards.given(caller.name, asked.card_id) if asked.means == "card" else None
        payment_id = await self._begin_change(caller, asked, given)
        reply = await self._intents.hear(payment_id)
        return await self._answer(caller, asked, payment_id, reply, kept=not reply.silent)

    @command
    async def _begin_change(self, work: Work, asked: ChangeMeans, given: Given | None) -> str:
        order = await orders.get(work.tx, asked.order_id)
        payment = await repository.get(work.tx, order.payment_id) if order else None
        if order is None or payment is None:
            raise NotFound
        if order.state not in UNDISPATCHED or not payment.decline_code:
            raise MeansNotWanted
        admitted = await orders.means_admitted(work.tx, order.order_id)
        if asked.means not in admitted or (asked.means == "card" and order.due < CARD_AT_LEAST):
            raise MeansNotOffered(field="means")
        card = await save(work.tx, given) if given else None
        new = self._payment(work, order, new_id("pay"))
        new.means, new.card_id = asked.means, card.card_id if card else None
        counts: OrderChanges = {"payment_id": new.payment_id, "means": new.means, "card_id": new.card_id}
        if not await orders.replace_payment(work.tx, order, counts):
            raise MeansNotWanted
        await self._intents.unwant(work, order.order_id)
        await self._ask_for(work, order, new, "authorise")
        if new.decline_code:
            raise DeferredLimitReached(field="means")
        return new.payment_id

    def _payment(self, work: Work, order: Order, payment_id: str, attempt: int = 0) -> Payment:
        return Payment.make(
            payment_id=payment_id,
            order_id=order.order_id,
            member_id=order.member_id,
            ordinal=1,
            attempt=attempt,
            merchant_ref=payment_id,
            means=order.means if order.due else "none",
            state="asked" if order.due else "none-needed",
            amount=order.due,
            card_id=order.card_id if order.means == "card" else None,
            asked_at=work.now,
        )

    async def _ask_for(self, work: Work, order: Order, payment: Payment, step: Step) -> None:
        """Writes the payment down with the call that it needs; beyond the member's credit it is declined at once."""
        if payment.means == "deferred":
            limit = self._rules.deferred_limit
            payment.credit_held = await repository.reserve_credit(work.tx, order.member_id, payment.amount, limit)
            if not payment.credit_held:
                payment.state, payment.decline_code = "declined", DeferredLimitReached.code
        await repository.add(work.tx, payment)
        if payment.state == "asked":
            await calls.open_intent(work.tx, payment, step, work.now)

    async def _answer(
        self, caller: Caller, asked: Command, payment_id: str, reply: PartnerReply, *, kept: bool
    ) -> PaymentView:
        """Settles what was heard and answers; an answer that decides nothing is not kept under the request's id."""
        request_id = f"{type(asked).__name__}/{asked.request_id}" if kept else new_id("req")
        concluding = Conclude(request_id=request_id, as_of=asked.as_of, payment_id=payment_id)
        concluded = await self._conclude(caller, concluding, reply)
        if concluded.undoing:
            await self._intents.pursue(payment_id)
        return concluded.view

    @command
    async def _conclude(self, work: Work, asked: Conclude, reply: PartnerReply) -> Concluded:
        payment = await self._intents.settled(work, asked.payment_id, reply)
        return Concluded(view=payment.view(), undoing=payment.undoing() is not None)

    async def _current(self, order_id: str) -> Payment:
        async with self.commands.database.reading() as session:
            payment = await orders.payment_of(session, order_id)
        if payment is None:
            raise PaymentMissing
        return payment

    async def _own(self, caller: Caller, order_id: str) -> Payment:
        """The payment that counts; the last that counted, where the order is a checkout again."""
        async with self.commands.database.reading() as session:
            payment = await orders.payment_of(session, order_id) or await repository.last_of(session, order_id)
        if payment is None or payment.member_id != caller.name:
            raise NotFound
        return payment
