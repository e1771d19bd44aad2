"""Partners' webhooks: signed, each taken once, in any order; they only say that it is time to look (SK-51, QA-06)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.webhooks import WebhookMalformed
from services.store.intents.domain import Intents, PartnerSilent
from services.store.intents.models import PartnerReply
from services.store.models import View
from services.store.payments import repository as payments
from services.store.payments.models import STATES
from services.store.webhooks import repository
from services.store.webhooks.models import TakenWebhook

_log = structlog.get_logger()


class Signatures(Protocol):
    """How a partner signs."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> object: ...


class Told(View):
    """What a message is about: its own id, its kind, and the payment by our reference or by the partner's."""

    event_id: str
    kind: str
    merchant_ref: str
    partner_ref: str = ""
    refund_failed: bool = False


@dataclass(frozen=True)
class Sender:
    """A partner that sends webhooks: how it signs, and how its messages are read."""

    signatures: Signatures
    read: Callable[[Mapping[str, Any]], Told]


class TakeWebhook(Command):
    partner: str
    event_id: str
    kind: str
    payment_id: str


class Receipt(View):
    seen_before: bool
    undoing: bool = False


class Webhooks(Verbs):
    """Takes what payment partners tell: proved, taken once, then asked after at the partner (QA-06)."""

    def __init__(self, commands: Commands, intents: Intents, senders: Mapping[str, Sender]) -> None:
        self.commands = commands
        self._intents = intents
        self._senders = senders

    async def receive(self, caller: Caller, partner: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Takes a partner's message: once it is proved to be the partner's, the partner is asked how things stand.

        So it does not matter in which order messages come, nor what an old one says.

        Raises:
            NotFound: no such partner.
            WebhookMalformed: headers or body are not as the partner writes them.
            WebhookForged: its signature does not hold.
            WebhookStale: it was signed too long ago.
            PartnerSilent: the partner cannot be asked now: it has to send the message again.
        """
        sender = self._senders.get(partner)
        if sender is None:
            raise NotFound
        sender.signatures.verify(headers, body)
        told = _read(sender, body)
        async with self.commands.database.reading() as session:
            if await repository.seen(session, partner, told.event_id):
                return Receipt(seen_before=True)
            payment = await payments.by_reference(session, told.merchant_ref, told.partner_ref)
        if payment is None:
            _log.info("webhook of nothing of ours", partner=partner, kind=told.kind)
            return Receipt(seen_before=False)
        reply = await self._intents.hear(payment.payment_id, look=STATES)
        if reply.silent:
            raise PartnerSilent(retry_after=timedelta(seconds=5))
        if told.refund_failed and reply.said:
            reply = reply.model_copy(update={"said": reply.said.model_copy(update={"refund_failed": True})})
        taken = await self._take(
            caller,
            TakeWebhook(
                request_id=new_id("req"),  # a repeat is known by the partner's own id
                partner=partner,
                event_id=told.event_id,
                kind=told.kind,
                payment_id=payment.payment_id,
            ),
            reply if self._intents.is_news(payment, reply) else None,
        )
        if taken.undoing:
            await self._intents.pursue(payment.payment_id)
        return taken

    @command
    async def _take(self, work: Work, asked: TakeWebhook, reply: PartnerReply | None) -> Receipt:
        webhook = TakenWebhook.make(partner=asked.partner, event_id=asked.event_id, kind=asked.kind, taken_at=work.now)
        if not await repository.take(work.tx, webhook):
            return Receipt(seen_before=True)
        if reply is None:
            return Receipt(seen_before=False)
        payment = await self._intents.settled(work, asked.payment_id, reply)
        return Receipt(seen_before=False, undoing=payment.undoing() is not None)


def _read(sender: Sender, body: bytes) -> Told:
    """A message that was proved to be the partner's.

    Raises:
        WebhookMalformed: it is not written as the partner writes.
    """
    try:
        return sender.read(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WebhookMalformed(field="body") from None


def read_standard(message: Mapping[str, Any]) -> Told:
    """A message of the deferred-payment provider or of EPOS."""
    return Told(event_id=message["id"], kind=message["type"], merchant_ref=message["data"]["merchant_ref"])


def read_stripe(message: Mapping[str, Any]) -> Told:
    """A message of the card processor: about a payment, its charge, or money going back."""
    about = message["data"]["object"]
    metadata: Mapping[str, str] = about.get("metadata") or {}
    return Told(
        event_id=message["id"],
        kind=message["type"],
        merchant_ref=metadata.get("merchant_ref", ""),
        partner_ref=about["id"] if about["object"] == "payment_intent" else about.get("payment_intent") or "",
        refund_failed=message["type"] == "refund.failed",
    )
