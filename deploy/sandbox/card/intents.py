"""Payment intents: authorised, captured, cancelled, and lapsing after a week."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from deploy.sandbox.card.errors import StripeError, missing, unexpected_state
from deploy.sandbox.card.params import MIN_YEN, Confirm, NewIntent
from deploy.sandbox.card.wallet import PaymentMethod, Wallet, decline_error
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, token

HOLDS_FOR = timedelta(days=7)
HOLDS_BRIEFLY = timedelta(days=1)


class Charge(Thing):
    KIND: ClassVar[str] = "charge"

    id: str
    created: int
    payment_intent: str
    customer: str | None
    payment_method: str
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    capture_before: int
    brand: str
    last4: str
    refunds_fail: bool

    def key(self) -> str:
        return self.id

    def view(self) -> dict[str, Any]:
        card = {"brand": self.brand, "last4": self.last4, "capture_before": self.capture_before}
        return {
            **self.model_dump(exclude={"capture_before", "brand", "last4", "refunds_fail"}),
            "object": "charge",
            "captured": self.amount_captured > 0,
            "currency": "jpy",
            "livemode": False,
            "paid": True,
            "payment_method_details": {"type": "card", "card": card},
            "refunded": 0 < self.amount_captured == self.amount_refunded,
            "status": "succeeded",
        }


class Intent(Thing):
    KIND: ClassVar[str] = "payment_intent"

    id: str
    created: int
    amount: int
    capture_method: str
    payment_method_types: list[str]
    payment_method: str | None
    customer: str | None
    metadata: dict[str, str]
    setup_future_usage: str | None
    description: str | None
    return_url: str | None
    confirm_page: str
    status: str
    amount_capturable: int = 0
    amount_received: int = 0
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    last_payment_error: dict[str, Any] | None = None
    latest_charge: str | None = None

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        marks = {f"metadata.{name}": value for name, value in self.metadata.items()}
        return {**marks, "status": self.status, **({"customer": self.customer} if self.customer else {})}

    def view(self) -> dict[str, Any]:
        action = {"url": self.confirm_page, "return_url": self.return_url}
        return {
            **self.model_dump(exclude={"return_url", "confirm_page"}),
            "object": "payment_intent",
            "client_secret": f"{self.id}_secret_test",
            "confirmation_method": "automatic",
            "currency": "jpy",
            "livemode": False,
            "next_action": {"type": "redirect_to_url", "redirect_to_url": action}
            if self.status == "requires_action"
            else None,
        }

    def allow(self, verb: str, *statuses: str) -> None:
        if self.status not in statuses:
            raise unexpected_state(f"You cannot {verb} this PaymentIntent because it has a status of {self.status}.")


class Intents:
    def __init__(self, world: World, wallet: Wallet) -> None:
        self._world = world
        self._wallet = wallet
        world.jobs["card.lapse"] = self._lapse_if_held

    def open(self, new: NewIntent, pages: str) -> Intent:
        """Opens an intent; `pages` is the address below which people find the 3-D Secure page."""
        if new.amount < MIN_YEN:
            raise StripeError(400, f"Amount must be at least ¥{MIN_YEN}", code="amount_too_small", param="amount")
        if new.customer:
            self._wallet.customer(new.customer)
        method = self._wallet.to_charge(new.payment_method, new.customer) if new.payment_method else None
        key = token("pi")
        facts = new.model_dump(exclude={"expand", "confirm", "off_session", "payment_method", "currency"})
        intent = Intent(
            **facts,
            id=key,
            created=self._seconds(),
            payment_method=method.id if method else None,
            confirm_page=f"{pages}/{key}",
            status="requires_confirmation" if method else "requires_payment_method",
        )
        self._world.store.put(intent)
        if new.confirm:
            return self.confirm(key, Confirm(return_url=new.return_url, off_session=new.off_session))
        return intent

    def get(self, key: str) -> Intent:
        found = self._world.store.get(Intent, key)
        if found is None:
            raise missing("payment_intent", key, "intent")
        return found

    def charge(self, key: str) -> Charge:
        found = self._world.store.get(Charge, key)
        if found is None:
            raise missing("charge", key, "id")
        return found

    def confirm(self, key: str, how: Confirm) -> Intent:
        intent = self.get(key)
        intent.allow("confirm", "requires_payment_method", "requires_confirmation")
        chosen = how.payment_method or intent.payment_method
        if chosen is None:
            raise unexpected_state("You cannot confirm this PaymentIntent: it is missing a payment method.")
        method = self._wallet.to_charge(chosen, intent.customer)
        intent.payment_method = method.id
        intent.return_url = how.return_url or intent.return_url
        decline = self._world.take_next("card") or method.decline
        if method.behaviour == "three_ds" and decline is None:
            if not how.off_session:
                intent.status = "requires_action"
                return self._kept(intent, "requires_action")
            decline = "authentication_required"
        if decline:
            raise self._declined(intent, method, decline)
        return self._authorised(intent, method)

    def authenticate(self, key: str, *, succeeded: bool) -> Intent:
        """What the issuer found out about the person."""
        intent = self.get(key)
        intent.allow("authenticate", "requires_action")
        method = self._wallet.method(intent.payment_method or "")
        if succeeded:
            return self._authorised(intent, method)
        error = decline_error("payment_intent_authentication_failure", payment_method=method.view())
        del error["decline_code"]
        return self._failed(intent, {"type": "invalid_request_error", **error})

    def capture(self, key: str, amount: int | None) -> Intent:
        intent = self.get(key)
        intent.allow("capture", "requires_capture")
        taken = amount or intent.amount
        if taken > intent.amount_capturable:
            raise StripeError(
                400,
                "The amount to capture is greater than the authorised amount.",
                code="amount_too_large",
                param="amount_to_capture",
            )
        charge = self.charge(intent.latest_charge or "")
        charge.amount_captured = taken
        self._world.store.put(charge)
        intent.status, intent.amount_received, intent.amount_capturable = "succeeded", taken, 0
        return self._kept(intent, "succeeded")

    def cancel(self, key: str, reason: str | None) -> Intent:
        intent = self.get(key)
        intent.allow(
            "cancel", "requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"
        )
        intent.status, intent.amount_capturable = "canceled", 0
        intent.canceled_at, intent.cancellation_reason = self._seconds(), reason
        return self._kept(intent, "canceled")

    def lapse(self, key: str) -> Intent:
        """The issuer lets the authorisation go."""
        self.get(key).allow("let lapse", "requires_capture")
        return self.cancel(key, "expired")

    def _lapse_if_held(self, key: str) -> None:
        intent = self._world.store.get(Intent, key)
        if intent and intent.status == "requires_capture":
            self.lapse(key)

    def _declined(self, intent: Intent, method: PaymentMethod, decline: str) -> StripeError:
        error = {"type": "card_error", **decline_error(decline, payment_method=method.view())}
        self._failed(intent, error)
        said = {name: value for name, value in error.items() if name not in {"type", "message"}}
        return StripeError(402, error["message"], **said, payment_intent=intent.view())

    def _failed(self, intent: Intent, error: dict[str, Any]) -> Intent:
        intent.status, intent.payment_method = "requires_payment_method", None
        intent.last_payment_error = error
        return self._kept(intent, "payment_failed")

    def _authorised(self, intent: Intent, method: PaymentMethod) -> Intent:
        now = self._world.now()
        charge = Charge(
            id=token("ch"),
            created=self._seconds(),
            payment_intent=intent.id,
            customer=intent.customer,
            payment_method=method.id,
            amount=intent.amount,
            capture_before=int((now + HOLDS_FOR).timestamp()),
            brand=method.brand,
            last4=method.last4,
            refunds_fail=method.behaviour == "refund_fails",
        )
        self._wallet.charged(method, intent.customer if intent.setup_future_usage else None)
        intent.latest_charge, intent.last_payment_error = charge.id, None
        intent.status, intent.amount_capturable = "requires_capture", intent.amount
        self._world.store.put(charge)
        if intent.capture_method != "manual":
            self._world.store.put(intent)
            return self.capture(intent.id, None)
        held = HOLDS_BRIEFLY if method.behaviour == "lapses_early" else HOLDS_FOR
        self._world.at("card.lapse", intent.id, now + held)
        return self._kept(intent, "amount_capturable_updated")

    def _seconds(self) -> int:
        return int(self._world.now().timestamp())

    def _kept(self, intent: Intent, happened: str) -> Intent:
        self._world.store.put(intent)
        tell(self._world, f"payment_intent.{happened}", intent.view())
        return intent


def tell(world: World, kind: str, about: dict[str, Any]) -> None:
    """Queues an event of Stripe's shape."""
    key = token("evt")
    event = {
        "id": key,
        "object": "event",
        "api_version": None,
        "created": int(world.now().timestamp()),
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": None,
        "type": kind,
    }
    world.enqueue("card", key, kind, event)
