"""Customers and the cards they keep."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

from deploy.sandbox.card.errors import MESSAGES, StripeError, missing
from deploy.sandbox.card.params import NewCustomer
from deploy.sandbox.store import Thing
from deploy.sandbox.world import World, token

Behaviour = Literal[
    "ok",
    "generic_decline",
    "declines_later",
    "insufficient_funds",
    "expired_card",
    "incorrect_cvc",
    "incorrect_number",
    "three_ds",
    "refund_fails",
    "lapses_early",
]
K = TypeVar("K", bound=Thing)
Brand = Literal["visa", "mastercard", "jcb", "amex", "diners"]
_BEGINNINGS: dict[str, Brand] = {
    "4": "visa",
    "5": "mastercard",
    "2": "mastercard",
    "35": "jcb",
    "34": "amex",
    "37": "amex",
    "30": "diners",
    "36": "diners",
    "38": "diners",
}
_TEST_CARDS: dict[str, tuple[str, Behaviour]] = {
    "pm_card_visa": ("4242424242424242", "ok"),
    "pm_card_mastercard": ("5555555555554444", "ok"),
    "pm_card_jcb": ("3566002020360505", "ok"),
    "pm_card_amex": ("378282246310005", "ok"),
    "pm_card_diners": ("36227206271667", "ok"),
    "pm_card_visa_chargeDeclined": ("4000000000000002", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("4000000000009995", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedExpiredCard": ("4000000000000069", "expired_card"),
    "pm_card_visa_chargeDeclinedIncorrectCvc": ("4000000000000127", "incorrect_cvc"),
    "pm_card_chargeDeclinedIncorrectNumber": ("4242424242424241", "incorrect_number"),
    "pm_card_chargeCustomerFail": ("4000000000000341", "declines_later"),
    "pm_card_threeDSecure2Required": ("4000000000003220", "three_ds"),
    "pm_card_refundFail": ("4000000000005126", "refund_fails"),
    "pm_card_lapsesEarly": ("4000000000001000", "lapses_early"),
}
_BEHAVIOURS = dict(_TEST_CARDS.values())
_DECLINES: dict[Behaviour, str] = {
    "generic_decline": "generic_decline",
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_number": "incorrect_number",
}


def brand_of(number: str) -> Brand | None:
    return _BEGINNINGS.get(number[:2]) or _BEGINNINGS.get(number[:1])


def decline_error(decline: str, **said: Any) -> dict[str, Any]:
    """What Stripe says of a declined card; `decline` is its decline code, or the code where that has one of its own."""
    code = decline if decline in MESSAGES else "card_declined"
    return {"code": code, "decline_code": decline, "message": MESSAGES[code], **said}


class Customer(Thing):
    KIND: ClassVar[str] = "customer"

    id: str
    created: int
    email: str | None
    name: str | None
    description: str | None
    metadata: dict[str, str]
    deleted: bool = False

    def key(self) -> str:
        return self.id

    def view(self) -> dict[str, Any]:
        if self.deleted:
            return {"id": self.id, "object": "customer", "deleted": True}
        return {**self.model_dump(exclude={"deleted"}), "object": "customer", "livemode": False}


class PaymentMethod(Thing):
    KIND: ClassVar[str] = "payment_method"

    id: str
    created: int
    brand: Brand
    last4: str
    exp_month: int
    exp_year: int
    behaviour: Behaviour
    customer: str | None = None
    spent: bool = False
    """Used without a customer, or detached: good for nothing more."""

    def key(self) -> str:
        return self.id

    def marks(self) -> dict[str, str]:
        return {"customer": self.customer} if self.customer else {}

    @property
    def decline(self) -> str | None:
        if self.behaviour == "declines_later":
            return "generic_decline"
        return _DECLINES.get(self.behaviour)

    def view(self) -> dict[str, Any]:
        card = self.model_dump(include={"brand", "last4", "exp_month", "exp_year"})
        return {
            "id": self.id,
            "object": "payment_method",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "card": {**card, "country": "JP", "funding": "credit", "fingerprint": f"fp{self.last4}"},
            "created": self.created,
            "customer": self.customer,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }


class Wallet:
    def __init__(self, world: World) -> None:
        self._world = world

    def new_customer(self, new: NewCustomer) -> Customer:
        facts = new.model_dump(exclude={"expand"})
        return self._kept(Customer(**facts, id=token("cus"), created=self._seconds()))

    def customer(self, key: str, param: str = "customer") -> Customer:
        found = self._world.store.get(Customer, key)
        if found is None:
            raise missing("customer", key, param)
        return found

    def delete_customer(self, key: str) -> Customer:
        customer = self.customer(key, "id")
        for method in self.of_customer(key):
            self.detach(method.id)
        return self._kept(customer.model_copy(update={"deleted": True}))

    def method(self, key: str) -> PaymentMethod:
        """A kept card; the name of a test card stands for a new one of its kind."""
        if key in _TEST_CARDS:
            number, behaviour = _TEST_CARDS[key]
            return self._new_method(number, 12, self._world.now().year + 3, behaviour)
        found = self._world.store.get(PaymentMethod, key)
        if found is None:
            raise missing("PaymentMethod", key, "payment_method")
        return found

    def from_form(self, number: str, month: int, year: int) -> PaymentMethod:
        return self._new_method(number, month, year, _BEHAVIOURS.get(number, "ok"))

    def of_customer(self, customer: str) -> list[PaymentMethod]:
        """Newest first."""
        return self._world.store.find(PaymentMethod, {"customer": customer})[::-1]

    def attach(self, key: str, customer: str) -> PaymentMethod:
        owner, method = self.customer(customer), self.method(key)
        if owner.deleted:
            raise missing("customer", customer, "customer")
        if method.spent or method.customer not in {None, customer}:
            raise StripeError(400, "This payment method cannot be attached to this customer.")
        if method.behaviour in _DECLINES:
            raise StripeError(402, **decline_error(_DECLINES[method.behaviour]))
        method.customer = customer
        return self._kept(method)

    def detach(self, key: str) -> PaymentMethod:
        method = self.method(key)
        if method.customer is None:
            raise StripeError(400, "The payment method you provided is not attached to a customer.")
        method.customer, method.spent = None, True
        return self._kept(method)

    def to_charge(self, key: str, customer: str | None) -> PaymentMethod:
        """The card to be charged for this customer, or for nobody in particular."""
        method = self.method(key)
        if method.spent:
            raise StripeError(
                400,
                "The provided PaymentMethod was used or detached and may not be used again.",
                param="payment_method",
            )
        if method.customer not in {None, customer}:
            raise StripeError(400, "The PaymentMethod belongs to a Customer: name it.", param="payment_method")
        return method

    def charged(self, method: PaymentMethod, keep_for: str | None) -> None:
        """Once charged, a card is either kept for a customer or used up."""
        if method.customer is None:
            method.customer, method.spent = keep_for, keep_for is None
            self._kept(method)

    def _new_method(self, number: str, month: int, year: int, behaviour: Behaviour) -> PaymentMethod:
        return self._kept(
            PaymentMethod(
                id=token("pm"),
                created=self._seconds(),
                brand=brand_of(number) or "visa",
                last4=number[-4:],
                exp_month=month,
                exp_year=year,
                behaviour=behaviour,
            )
        )

    def _seconds(self) -> int:
        return int(self._world.now().timestamp())

    def _kept(self, thing: K) -> K:
        self._world.store.put(thing)
        return thing
