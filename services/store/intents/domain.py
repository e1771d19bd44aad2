"""Asking partners: write it down, ask, settle the outcome; what is unknown is looked up, then decided (ST-21)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from services.chassis.caller import Caller
from services.chassis.errors import Kind, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.partners import OutcomeUnknown
from services.store.cards import repository as cards
from services.store.cards.ports import Vault
from services.store.intents import repository
from services.store.intents.models import Change, PartnerCall, PartnerReply
from services.store.models import Means, View
from services.store.payments import repository as payments
from services.store.payments.models import (
    CAPTURE_REFUSED,
    NEVER_ARRIVED,
    PAYER_LATE,
    STATES,
    UNDOING,
    Payment,
    PaymentChanges,
    PaymentState,
    Standing,
    Step,
)
from services.store.payments.ports import Follower, Partner

_log = structlog.get_logger()

SELF = Caller("service", "store")
"""In whose name the store acts when nobody asks."""
_ANSWERED_WITHIN = 9.0
"""Seconds that one asker waits for a partner, look-up and all."""
_UNDER_WAY = timedelta(seconds=15)
"""So long somebody else may still be waiting for an answer: longer than anybody waits."""
_SEEN_BY_THEN = timedelta(minutes=10)
"""What a partner took, its look-up shows by then."""
_SWEPT_AFTER = timedelta(seconds=30)
_SWEPT_AT_ONCE = 8
_SWEPT = 200


class PartnerSilent(RuumError):
    """The partner has not answered: what it did is not known yet, and will be."""

    kind = Kind.UNAVAILABLE
    code = "partner-silent"


class Settle(Command):
    """A partner's word about a payment, when nobody waits for it."""

    payment_id: str


class Swept(View):
    settled: int
    still_unknown: int


class Intents(Verbs):
    """Asks partners and settles what they say, each call once, whatever breaks in between."""

    def __init__(
        self, commands: Commands, partners: Mapping[Means, Partner], vault: Vault, payer_patience: timedelta
    ) -> None:
        self.commands = commands
        self._partners = partners
        self._vault = vault
        self._payer_patience = payer_patience
        self._followers: tuple[Follower, ...] = ()

    def followed_by(self, *followers: Follower) -> None:
        """Who follows in the transaction of each settlement."""
        self._followers = followers

    async def hear(self, payment_id: str, *, look: Sequence[PaymentState] = ()) -> PartnerReply:
        """Asks what the payment still has to ask of its partner.

        Where that is nothing and it is in one of the states of `look`, asks how it stands.
        """
        now = self.commands.clock.now()
        claim = partial(repository.claim, payment_id=payment_id, now=now, under_way=_UNDER_WAY)
        call = await self.commands.database.transact(claim)
        if call is not None:
            return await self._ask(call, now)
        if not look:
            return PartnerReply()
        async with self.commands.database.reading() as session:
            idle = await repository.look_up_call(session, payment_id, look)
        if idle is None or idle.means == "none":
            return PartnerReply()
        try:
            return PartnerReply(said=await self.look_up(idle))
        except OutcomeUnknown:
            return PartnerReply(silent=True)

    async def heard(self, payment_id: str, *, look: Sequence[PaymentState] = ()) -> PartnerReply:
        """Asks as `hear` does.

        Raises:
            PartnerSilent: what was asked has no outcome; whoever asks knows how long to pause, and longer each time.
        """
        reply = await self.hear(payment_id, look=look)
        if reply.silent:
            raise PartnerSilent
        return reply

    async def look_up(self, call: PartnerCall) -> Standing | None:
        """How a payment stands at its partner.

        Raises:
            OutcomeUnknown: the partner does not say.
        """
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN):
                return await self._partners[call.means].look_up(call)
        except TimeoutError as late:
            raise OutcomeUnknown(answered=False) from late

    def is_news(self, payment: Payment, reply: PartnerReply) -> bool:
        """Whether there is anything to settle: a call was answered, or the payment is to stand differently."""
        answered = reply.said is not None and reply.intent_id != ""
        return answered or bool(self._changes(payment, reply, self.commands.clock.now()))

    async def pursue(self, payment_id: str) -> bool:
        """Asks and settles until nothing is open. Returns false when an outcome stays unknown: the sweep goes on."""
        while True:
            reply = await self.hear(payment_id)
            if reply.said is None:
                return not reply.silent
            await self.settle(SELF, Settle(request_id=reply.intent_id, payment_id=payment_id), reply)

    async def bring_back(self, order_id: str) -> None:
        """Asks for whatever has to come back of an order; what stays unknown is left to the sweep."""
        async with self.commands.database.reading() as session:
            left = [payment for payment in await payments.of_orders(session, [order_id]) if not payment.ended]
        for payment in left:
            await self.pursue(payment.payment_id)

    @command
    async def settle(self, work: Work, asked: Settle, reply: PartnerReply) -> None:
        """Settles what a partner said, in a transaction of its own."""
        await self.settled(work, asked.payment_id, reply)

    async def settled(self, work: Work, payment_id: str, reply: PartnerReply) -> Payment:
        """Brings a payment to where the partner says it is, within the transaction of whoever asked."""
        payment, order = await payments.locked(work.tx, payment_id)
        was, was_declined = payment.state, bool(payment.decline_code)
        if changes := self._changes(payment, reply, work.now):
            await payments.change(work.tx, payment, changes)
        answered = reply.intent_id if reply.said else ""
        await repository.close_intents(work.tx, payment_id, answered, _done(payment), work.now)
        if payment.credit_held and (payment.ended or payment.paid_at):
            await payments.free_credit(work.tx, payment)
        # The first promise that is good replaces all others of the order.
        good = {"authorised", "on-hold"}
        if payment.state in good and was not in good and not payment.unwanted_at:
            await self.unwant(work, payment.order_id, but=payment_id)
        await self._undo(work, payment)
        for follow in self._followers:
            await follow(work, Change(payment, order, was, was_declined, reply))
        return payment

    async def unwant(self, work: Work, order_id: str, *, but: str = "") -> Sequence[Payment]:
        """Whatever the payments of an order took has to come back, but for one; gives those that are not over."""
        live = await payments.unwant(work.tx, order_id, work.now, but=but)
        for payment in live:
            await self._undo(work, payment)
        return live

    async def _undo(self, work: Work, payment: Payment) -> None:
        if step := payment.undoing():
            await repository.open_intent(work.tx, payment, step, work.now)

    def _changes(self, payment: Payment, reply: PartnerReply, now: datetime) -> PaymentChanges:
        """What a partner's word, or the passing of time, does to a payment."""
        changes: PaymentChanges = payment.after(reply.said, now) if reply.said else {}
        state = changes.get("state", payment.state)
        answered = reply.step if reply.said else None
        if state == "requires-action" and payment.state != "requires-action":
            # From the moment at which the payer is sent to the partner's page.
            changes |= {"action_until": now + self._payer_patience}
        elif state == "requires-action" and payment.unwanted_at is None and payment.too_late(now):
            changes |= {"unwanted_at": now, "decline_code": PAYER_LATE}
        elif answered == "capture" and state == "authorised":
            # The partner answered and took no money: another means is needed, and the promise goes back.
            changes |= {"unwanted_at": now, "decline_code": CAPTURE_REFUSED}
        elif answered in UNDOING and state == payment.state and payment.undoing() == answered:
            # The partner answered and gave nothing back: no further call helps, a person has to look.
            changes |= {"problem": f"{answered}-refused"}
        return changes

    async def sweep(self) -> Swept:
        """Asks again what has no outcome, ends what a payer left lying, forgets cards (ST-21)."""
        now = self.commands.clock.now()
        async with self.commands.database.reading() as session:
            stale = await repository.stale_calls(session, now - _SWEPT_AFTER, _SWEPT)
            left = await payments.expired(session, now, _SWEPT)
        places = asyncio.Semaphore(_SWEPT_AT_ONCE)
        swept = [_apart(self._sweep(call, places), call.payment_id) for call in stale]
        ended = [_apart(self._end(payment, places), payment.payment_id) for payment in left]
        outcomes = await asyncio.gather(*swept, *ended)
        return Swept(settled=sum(outcomes), still_unknown=len(outcomes) - sum(outcomes))

    async def _sweep(self, call: PartnerCall, places: asyncio.Semaphore) -> bool:
        async with places:
            if call.step == "detach":
                return await self._detach(call)
            return await self.pursue(call.payment_id)

    async def _end(self, payment: Payment, places: asyncio.Semaphore) -> bool:
        async with places:
            reply = await self.hear(payment.payment_id, look=STATES)
            told = Settle(request_id=f"{payment.payment_id}/left", payment_id=payment.payment_id)
            await self.settle(SELF, told, reply)
            return await self.pursue(payment.payment_id)

    async def _ask(self, call: PartnerCall, now: datetime) -> PartnerReply:
        try:
            async with asyncio.timeout(_ANSWERED_WITHIN):
                said = await self._outcome(call, now)
        except (OutcomeUnknown, TimeoutError):
            _log.warning("partner silent", means=call.means, step=call.step, payment_id=call.payment_id)
            return PartnerReply(silent=True, intent_id=call.intent_id, step=call.step)
        return PartnerReply(said=said, intent_id=call.intent_id, step=call.step)

    async def _outcome(self, call: PartnerCall, now: datetime) -> Standing:
        """What became of a call, or becomes of it now.

        Raises:
            OutcomeUnknown: it may have been done and cannot be seen.
        """
        # It may have been done the last time: what the partner shows comes before another call.
        if call.tries or call.only_looks:
            said = await self._seen(call)
            if said is not None:
                return said
        if not call.may_call:
            long_ago = call.asked_at is None or now - call.asked_at >= _SEEN_BY_THEN
            if call.only_looks and long_ago:
                return NEVER_ARRIVED
            raise OutcomeUnknown(answered=False)
        try:
            return await self._call(call)
        except OutcomeUnknown as silent:
            said = await self._seen(call)
            if said is not None:
                return said
            if not silent.answered:
                raise
        # The partner failed inside and shows nothing: the same call under the same key cannot act twice.
        return await self._call(call)

    async def _call(self, call: PartnerCall) -> Standing:
        partner = self._partners[call.means]
        calls = {
            "authorise": partner.authorise,
            "renew": partner.renew,
            "capture": partner.capture,
            "void": partner.void,
            "refund": partner.refund,
        }
        return await calls[call.step](call)

    async def _seen(self, call: PartnerCall) -> Standing | None:
        """How the payment stands, when that shows that the call has been carried out or is moot."""
        said = await self._partners[call.means].look_up(call)
        return said if said is not None and said.fulfils(call.step, call.amount) else None

    async def _detach(self, call: PartnerCall) -> bool:
        now = self.commands.clock.now()
        await self.commands.database.transact(partial(repository.looked, intent_id=call.intent_id, now=now))
        try:
            await self._vault.detach(call.card_ref)
        except OutcomeUnknown:
            return False

        async def forget(tx: Any) -> None:
            await cards.forgotten(tx, call.card_ref, now)
            await repository.close(tx, call.intent_id, now)

        await self.commands.database.transact(forget)
        return True


async def _apart(work: Awaitable[bool], payment_id: str) -> bool:
    """What one payment has wrong must not keep the sweep from the others."""
    try:
        return await work
    except RuumError as failure:
        _log.warning("payment not swept", payment_id=payment_id, code=failure.code)
    except Exception:  # noqa: BLE001  # as said above
        _log.exception("payment not swept", payment_id=payment_id)
    return False


def _done(payment: Payment) -> tuple[Step, ...]:
    """The steps that there is nothing left to ask about."""
    if payment.ended:
        return ("authorise", "renew", "capture", "void", "refund")
    taken: tuple[Step, ...] = () if payment.state == "asked" else ("authorise", "renew")
    return (*taken, "capture") if payment.captured else taken
