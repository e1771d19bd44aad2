"""What the pages of a checkout show: sums, choices, what changed, and the snapshot that is confirmed."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import phonenumbers
import sqlalchemy as sa
from pydantic import Field

from services.chassis.columns import instant, text
from services.chassis.jst import BusinessCalendar
from services.store.cards.models import Card
from services.store.catalogue.models import MEANS_OFFERABLE, Product
from services.store.coupons.models import Coupon
from services.store.models import Address, Means, Orderer, Recipient, Table, View
from services.store.orders.models import (
    InvoiceTo,
    LineView,
    Order,
    OrderLine,
    OrderState,
    PointsChoice,
    TotalsView,
)
from services.store.payments.models import CARD_AT_LEAST
from services.store.settings import Rules
from services.store.sums.models import Bill, PointsWish, reckon

_TIME_OF_PAYMENT: Mapping[Means, str] = {
    "card": "at-dispatch",
    "epos": "at-dispatch",
    "deferred": "by-invoice-after-delivery",
    "none": "nothing-to-pay",
}


# Full-width katakana, the long-vowel mark, the middle dot and spaces.
_KANA = re.compile(r"[ァ-ヶー・ 　]*")
_PERSON = ("name", "kana", "phone")


class CheckoutView(View):
    """A checkout as it is answered; `notices` are codes of what changed by itself (ST-03)."""

    order_id: str
    version: int
    member_id: str
    room_id: str
    state: OrderState
    lines: tuple[LineView, ...]
    totals: TotalsView
    points_choice: PointsChoice
    points_some: int
    points_available: int
    coupon_code: str
    means: str
    card_id: str | None
    card_brand: str
    card_last4: str
    keep_card: bool
    invoice_to: InvoiceTo
    recipient: Recipient
    address: Address
    wish_date: date | None
    remarks: str
    means_offered: tuple[Means, ...]
    wish_dates_offered: tuple[date, ...]
    expected_dispatch_on: date
    notices: tuple[str, ...]


class Facts(View):
    """What a page shows that the store does not keep, frozen with it.

    Attributes:
        available: the member's points; None while the ledger is away.
        flow_facts: what the flow adds, as ids and digests (SK-26).
    """

    available: int | None
    expected_dispatch_on: date
    orderer: Orderer | None = None
    flow_facts: dict[str, str] = Field(default_factory=dict)
    language: str = ""


@dataclass(frozen=True)
class Basket:
    """An order that is not placed, with everything that decides what its pages show; computes, does no I/O.

    Attributes:
        coupon_uses: how often the member has used the coupon.
        outstanding: yen that the member owes by deferred payment.
        today: the day in Japan.
    """

    order: Order
    order_lines: tuple[OrderLine, ...]
    products: Mapping[str, Product]
    coupon: Coupon | None
    coupon_uses: int
    outstanding: int
    card: Card | None
    today: date
    rules: Rules

    @property
    def lines(self) -> list[LineView]:
        """Its lines at the prices and tax rates of today (ST-03, PR-01)."""
        today = {sku: {"unit_price": it.price, "tax_rate": it.tax_rate} for sku, it in self.products.items()}
        return [line.view().model_copy(update=today[line.sku]) for line in self.order_lines]

    @property
    def coupon_refusal(self) -> str:
        if not self.order.coupon_code:
            return ""
        return self.coupon.refusal(self.lines, self.today, self.coupon_uses) if self.coupon else "coupon-unknown"

    def bill(self, available: int | None) -> Bill:
        coupon = None if self.coupon_refusal else self.coupon
        wish = PointsWish(choice=self.order.points_choice, some=self.order.points_some, available=available or 0)
        return reckon(self.lines, coupon, self.rules.shipping, wish)

    def means_offered(self, due: int) -> tuple[Means, ...]:
        """By which means so much may be paid now (SK-23)."""
        if not due:
            return ("none",)
        possible: dict[Means, bool] = {
            "card": due >= CARD_AT_LEAST,
            "deferred": self.outstanding + due <= self.rules.deferred_limit,
            "epos": True,
        }
        admitted = [self.products[line.sku].means for line in self.order_lines]
        return tuple(means for means in MEANS_OFFERABLE if possible[means] and all(means in some for some in admitted))

    def means(self, due: int) -> str:
        """The means that counts: none where nothing is left to pay, else the one chosen."""
        return self.order.means if due else "none"

    def expected_dispatch_on(self, calendar: BusinessCalendar) -> date:
        """The day of dispatch, were it ordered today (SK-28)."""
        lead = max(self.products[line.sku].lead_business_days for line in self.order_lines)
        return calendar.add_business_days(self.today, lead)

    def wish_dates(self, dispatch: date) -> tuple[date, ...]:
        """The days that may be wished for: so many from the earliest possible delivery (SK-25)."""
        earliest = dispatch + timedelta(days=self.rules.transit_days)
        return tuple(earliest + timedelta(days=ahead) for ahead in range(self.rules.wish_days))

    def wish_has_passed(self, dispatch: date) -> bool:
        """The day wished for is before the earliest possible delivery."""
        return self.order.wish_date is not None and self.order.wish_date < self.wish_dates(dispatch)[0]

    def notices(self, bill: Bill, facts: Facts) -> list[str]:
        """Codes of what is no longer as it was chosen or shown (ST-03)."""
        order, due = self.order, bill.totals.due
        found = {
            "price-changed": any(line.unit_price != self.products[line.sku].price for line in self.order_lines),
            self.coupon_refusal: bool(self.coupon_refusal),
            "points-unavailable": order.points_choice != "none" and facts.available is None,
            "points-reduced": order.points_choice == "some" and order.points_some > bill.totals.points,
            "means-not-offered": bool(due and order.means and order.means not in self.means_offered(due)),
            "wish-date-passed": self.wish_has_passed(facts.expected_dispatch_on),
        }
        return [code for code, holds in found.items() if holds]

    def view(self, facts: Facts, *more_notices: str) -> CheckoutView:
        bill = self.bill(facts.available)
        own = self.order.model_dump() | {
            "lines": bill.lines,
            "totals": TotalsView.of(bill.totals, self.rules),
            "points_available": facts.available or 0,
            "means": self.means(bill.totals.due),
            "card_brand": self.card.brand if self.card else "",
            "card_last4": self.card.last4 if self.card else "",
            "means_offered": self.means_offered(bill.totals.due),
            "wish_dates_offered": self.wish_dates(facts.expected_dispatch_on),
            "expected_dispatch_on": facts.expected_dispatch_on,
            "notices": (*self.notices(bill, facts), *more_notices),
        }
        return CheckoutView.model_validate(own)

    def content(self, facts: Facts) -> str:
        """What the confirmation page shows, as canonical JSON: equal content is equal text (SK-26, ST-14)."""
        bill = self.bill(facts.available)
        means = self.means(bill.totals.due)
        by_card = self.card is not None and means == "card"
        shown = {
            **self.order.model_dump(
                mode="json", include={"order_id", "flow", "room_id", "address", "recipient", "wish_date", "remarks"}
            ),
            # Without their ids: whoever goes back and chooses the same again sees the same page.
            "lines": [line.model_dump(mode="json", exclude={"line_id"}) for line in bill.lines],
            "totals": bill.totals.model_dump(mode="json"),
            "coupon_code": "" if self.coupon_refusal else self.order.coupon_code,
            "means": means,
            "card": self.card.view().model_dump(mode="json") if self.card and by_card else None,
            "keep_card": by_card and self.order.keep_card,
            "invoice_to": self.order.invoice_to if means == "deferred" else "",
            "time_of_payment": _TIME_OF_PAYMENT.get(means, ""),  # type: ignore[call-overload]  # a word of Means or none
            "cancellable": all(self.products[line.sku].cancellable for line in self.order_lines),
            **facts.model_dump(mode="json", exclude={"available"}),
        }
        return json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def missing(self, facts: Facts) -> dict[str, str]:
        """What still has to be given before this can be confirmed: codes by field (SK-26)."""
        order, due = self.order, self.bill(facts.available).totals.due
        by_card = bool(due) and order.means == "card"
        wanted = {
            ("means", "means-missing"): bool(due) and not order.means,
            ("means", "means-not-offered"): bool(due and order.means and order.means not in self.means_offered(due)),
            ("card_id", "card-missing"): by_card and (self.card is None or self.card.detached_at is not None),
            ("wish_date", "wish-date-not-offered"): self.wish_has_passed(facts.expected_dispatch_on),
            **{(f"recipient.{name}", f"recipient-{name}-missing"): not order.recipient.get(name) for name in _PERSON},
        }
        return {field: code for (field, code), holds in wanted.items() if holds}

    def impossible(self, facts: Facts) -> dict[str, str]:
        """Which choices are not among what is offered: codes by field."""
        order, bill = self.order, self.bill(facts.available)
        due = bill.totals.due
        wrong = {
            ("coupon_code", self.coupon_refusal): bool(self.coupon_refusal),
            ("points_some", "points-none"): order.points_choice == "some" and order.points_some < 1,
            ("points_some", "points-too-many"): order.points_choice == "some"
            and order.points_some > bill.totals.points,
            ("means", "means-not-offered"): bool(due and order.means and order.means not in self.means_offered(due)),
            ("wish_date", "wish-date-not-offered"): order.wish_date is not None
            and order.wish_date not in self.wish_dates(facts.expected_dispatch_on),
        }
        return {field: code for (field, code), holds in wrong.items() if holds}


def read_recipient(given: Recipient) -> tuple[dict[str, str], dict[str, str]]:
    """Whom the letter is for, with a telephone in Japan and the name's reading in katakana; and what is wrong with it.

    What is empty may still be given: it is asked for when the page is confirmed (SK-24).
    """
    phone = _national(given.phone)
    wrong = {
        "recipient.phone": "" if phone is not None else "phone-invalid",
        "recipient.kana": "" if _KANA.fullmatch(given.kana) else "kana-invalid",
    }
    person = {"name": given.name.strip(), "kana": given.kana.strip(), "phone": phone or ""}
    return person, {field: code for field, code in wrong.items() if code}


def _national(phone: str) -> str | None:
    """A telephone number as it is written in Japan; None when there is no such number."""
    if not phone.strip():
        return ""
    try:
        number = phonenumbers.parse(phone, "JP")
    except phonenumbers.NumberParseException:
        return None
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL) if valid else None


def digest(content: str) -> str:
    """SHA-256 of a confirmed page, in hex."""
    return hashlib.sha256(content.encode()).hexdigest()


class Snapshot(Table, table=True):
    """A confirmation page as it was shown: kept as it is, and known by its hash."""

    __tablename__ = "snapshots"
    __table_args__ = (sa.CheckConstraint("length(snapshot_hash) = 64", name="snapshots_hash"),)

    order_id: str = text(primary_key=True, foreign_key="store.orders.order_id")
    snapshot_hash: str = text(primary_key=True)
    content: str = text()
    facts: str = text()
    taken_at: datetime = instant()

    @staticmethod
    def parties(content: str | None) -> dict[str, Any]:
        """Who ordered and who receives, as the deferred-payment provider wants to know."""
        if content is None:
            return {}
        shown = json.loads(content)
        orderer, recipient = shown["orderer"] or {}, shown["recipient"]
        home = orderer.get("address") or {}
        buyer = {**{name: orderer.get(name, "") for name in ("name", "kana", "phone", "email")}, **home}
        return {"buyer": buyer, "delivery": {**recipient, **shown["address"]}}
