"""How an order stands, in words: what was, what comes next, until when (SK-40, PO-12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ruum.store.v1 import store_pb2
from services.chassis.jst import JST
from services.texts import Language, Texts, UnknownTextError

_AGREED = {
    store_pb2.PAYMENT_STATE_NONE_NEEDED,
    store_pb2.PAYMENT_STATE_AUTHORISED,
    store_pb2.PAYMENT_STATE_CAPTURED,
}
_UNDECIDED = {
    store_pb2.PAYMENT_STATE_ON_HOLD: "payment-on-hold",
    store_pb2.PAYMENT_STATE_UNKNOWN: "partner-silent",
}


@dataclass(frozen=True)
class Standing:
    """What a page says of an order.

    Attributes:
        story: what was, each with when.
        until: the end of the time for what comes next; empty where there is none.
    """

    number: str
    story: Sequence[tuple[str, str]]
    next: str
    until: str


@dataclass(frozen=True)
class Outcome:
    """What became of a payment at its partner's page.

    Attributes:
        go_on: where the payer goes on, as long as nothing is decided.
    """

    words: Sequence[str]
    go_on: str = ""


class Orders:
    """Tells of orders.

    Args:
        texts: all sentences.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def standing(self, order: Any, language: Language) -> Standing:
        """Of what `GetKeyOrder` answers."""
        story = [
            (self._texts.render("page-at", language, at=_instant(entry.at)), words)
            for entry in order.timeline
            if (words := self._said(entry.code, language, **entry.params))
        ]
        number = order.order.order_number
        return Standing(
            number=self._texts.render("page-order-number", language, number=number) if number else "",
            story=story,
            next=self._said(order.next, language),
            until=self._until(order, language),
        )

    def outcome(self, payment: Any, language: Language, *, placed: bool) -> Outcome | None:
        """Of what `PayerReturned` answers, if anything; nothing once the order speaks for itself."""
        said = partial(self._texts.render, language=language)
        state = payment.state if payment is not None else None
        if state in _AGREED:
            return Outcome([said("page-payer-placed" if placed else "page-payer-agreed")])
        if placed:
            return None
        if state in _UNDECIDED:
            return Outcome([said(_UNDECIDED[state])])
        if state == store_pb2.PAYMENT_STATE_REQUIRES_ACTION:
            return Outcome([said("page-payer-open", until=_instant(payment.action_until))], payment.redirect_url)
        why = self._said(payment.decline_code, language) if payment is not None else ""
        return Outcome([said("page-payer-failed"), *([why] if why else [])])

    def _until(self, order: Any, language: Language) -> str:
        if not order.HasField("until"):
            return ""
        until = _instant(order.until).astimezone(JST)
        if until.time() == time.min:  # the end of a day: people read the day
            return self._texts.render("page-until-day", language, until=(until - timedelta(days=1)).date())
        return self._texts.render("page-until-instant", language, until=until)

    def _said(self, code: str, language: Language, **params: Any) -> str:
        """Nothing of what a service that is newer than this gateway tells."""
        try:
            return self._texts.render(code, language, **params)
        except (UnknownTextError, KeyError):
            return ""


def _instant(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
