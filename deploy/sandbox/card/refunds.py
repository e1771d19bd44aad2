"""Refunds, some of which fail afterwards because the card is dead."""

from __future__ import annotations

from typing import Any, ClassVar

from deploy.sandbox.card.errors import StripeError, missing, unexpected_state
from deploy.sandbox.card.intents import Intents, tell
from deploy.sandbox.card.params import NewRefund
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, token

_FAILS_AFTER_MS = 500


class Refund(Thing):
    KIND: ClassVar[str] = "refund"

    id: str
    created: int
    amount: int
    charge: str
    payment_intent: str
    reason: str | None
    metadata: dict[str, str]
    status: str = "succeeded"
    failure_reason: str | None = None

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        return {"payment_intent": self.payment_intent}

    def view(self) -> dict[str, Any]:
        seen = self.model_dump(exclude={"failure_reason"})
        failed = {"failure_reason": self.failure_reason} if self.failure_reason else {}
        return {**seen, **failed, "object": "refund", "currency": "jpy"}


class Refunds:
    def __init__(self, world: World, intents: Intents) -> None:
        self._world = world
        self._intents = intents
        world.jobs["card.refund_fails"] = self._fail

    def open(self, new: NewRefund) -> Refund:
        intent = self._intents.get(new.payment_intent)
        if intent.status != "succeeded" or intent.latest_charge is None:
            raise unexpected_state("This PaymentIntent does not have a successful charge to refund.")
        charge = self._intents.charge(intent.latest_charge)
        left = charge.amount_captured - charge.amount_refunded
        if left == 0:
            raise StripeError(400, "The charge has already been refunded.", code="charge_already_refunded")
        amount = new.amount or left
        if amount > left:
            raise StripeError(400, "The refund is greater than what is left.", code="amount_too_large", param="amount")
        refund = Refund(
            id=token("re"),
            created=int(self._world.now().timestamp()),
            amount=amount,
            charge=charge.id,
            payment_intent=intent.id,
            reason=new.reason,
            metadata=new.metadata,
        )
        charge.amount_refunded += amount
        self._world.store.put(charge)
        self._world.store.put(refund)
        tell(self._world, "refund.created", refund.view())
        tell(self._world, "charge.refunded", charge.view())
        if charge.refunds_fail:
            self._world.after("card.refund_fails", refund.id, _FAILS_AFTER_MS)
        return refund

    def get(self, key: str) -> Refund:
        found = self._world.store.get(Refund, key)
        if found is None:
            raise missing("refund", key, "id")
        return found

    def of_intent(self, intent: str) -> list[Refund]:
        """Newest first."""
        return self._world.store.find(Refund, {"payment_intent": intent})[::-1]

    def _fail(self, key: str) -> None:
        refund = self._world.store.get(Refund, key)
        if refund is None:
            return
        refund.status, refund.failure_reason = "failed", "expired_or_canceled_card"
        charge = self._intents.charge(refund.charge)
        charge.amount_refunded -= refund.amount
        self._world.store.put(charge)
        self._world.store.put(refund)
        tell(self._world, "refund.failed", refund.view())
