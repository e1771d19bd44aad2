"""The letters we write: which facts each shows and where it leads. Their words are texts (`notifier.po`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Writing = Literal["plain", "date", "yen", "off", "count", "instant", "word"]


@dataclass(frozen=True)
class Fact:
    """A line of its own, where the event has it: its label's text is `mail-fact-<name>`.

    Attributes:
        writing: how people there write its value: the text `mail-value-<writing>`; a `word` is a text of its own,
            `mail-<name>-<word>`.
        source: what the event calls it.
    """

    name: str
    writing: Writing
    source: str


@dataclass(frozen=True)
class Action:
    """The one link of a letter: its words are the text `mail-action-<name>`.

    Attributes:
        path: a page of the portal, with facts in braces.
    """

    name: str
    path: str


@dataclass(frozen=True)
class Kind:
    """What a letter shows beside its words.

    Attributes:
        receipt: the whole order is shown, with its lines and sums.
    """

    action: Action | None
    facts: tuple[Fact, ...] = ()
    receipt: bool = False


class Link(NamedTuple):
    words: str
    address: str


class Receipt(NamedTuple):
    """What was ordered, and what it costs: each line's name with its sum, then all sums by their names."""

    title: str
    lines: tuple[tuple[str, str], ...]
    sums: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Letter:
    """A letter in one person's language, block by block; mail and SMS are made of the same.

    What it is about, what counts and the one link come before everything else.
    """

    language: str
    subject: str
    title: str
    greeting: str = field(repr=False)
    lead: str = field(repr=False)
    digits: str = field(repr=False)
    facts: tuple[tuple[str, str], ...] = field(repr=False)
    receipt: Receipt | None = field(repr=False)
    action: Link | None
    more: tuple[str, ...] = field(repr=False)
    closing: str
    help: Link
    sender: str


HELP = "/help"

_ORDER = Action("order", "/orders/{order_id}")
_NUMBER = Action("key-number", "/orders/{order_id}/key-number")
_REDELIVERY = Action("redelivery", "/orders/{order_id}/redelivery")
_PAYMENT = Action("payment", "/orders/{order_id}/payment")
_WISH = Action("wish-date", "/orders/{order_id}/delivery-date")
_ROOM = Action("room", "/rooms")
_MEMBERS = Action("room-members", "/rooms/members")
_SECURITY = Action("security", "/account/security")
_POINTS = Action("points", "/points")
_SIGN_IN = Action("sign-in", "/sign-in")

NUMBER = Fact("order-number", "plain", "order_number")
"""Stands first wherever a letter is about an order."""
SUMS = (
    Fact("goods", "yen", "goods"),
    Fact("coupon", "off", "coupon"),
    Fact("shipping", "yen", "shipping"),
    Fact("charges", "yen", "charges"),
    Fact("points-used", "off", "points_yen"),
    Fact("total", "yen", "due"),
    Fact("means", "word", "means"),
    Fact("points-to-earn", "count", "points_to_earn"),
)
"""Of an order, in the order in which they are reckoned (ST-11)."""

_DEADLINE = Fact("deadline", "date", "deadline")
_HELD_UNTIL = Fact("held-until", "date", "held_until")
_CHARGE_AT_DOOR = Fact("charge-at-door", "yen", "charge")
_CARRIER = Fact("carrier", "word", "carrier")
_TRACKING = Fact("tracking-number", "plain", "tracking_number")
_DISPATCH_BY = Fact("dispatch-by", "date", "promised_dispatch_on")
_STORAGE_UNTIL = Fact("storage-until", "date", "deadline")
_UNTIL = Fact("valid-until", "instant", "expires_at")

KINDS: Mapping[str, Kind] = {
    "code-sign-up": Kind(None, (_UNTIL,)),
    "code-sign-up-existing": Kind(_SIGN_IN),
    "code-new-device": Kind(None, (_UNTIL,)),
    "signed-in-on-new-device": Kind(_SECURITY),
    "room-registered": Kind(_ROOM),
    "member-removed": Kind(_ROOM),
    "access-suspended": Kind(_ROOM),
    "conflict-opened": Kind(_ROOM),
    "registration-disputed": Kind(_MEMBERS),
    "conflict-released": Kind(_ROOM),
    "conflict-granted": Kind(_ROOM),
    "conflict-refused": Kind(_ROOM),
    "key-ordered": Kind(_ORDER, (_DISPATCH_BY,), receipt=True),
    "key-ordered-in-household": Kind(_MEMBERS),
    "key-number-asked": Kind(_NUMBER, (_DEADLINE,)),
    "key-number-asked-again": Kind(_NUMBER, (_DEADLINE,)),
    "key-number-accepted": Kind(_ORDER),
    "key-order-cancelled": Kind(_ORDER),
    "key-order-cancelled-number": Kind(_ORDER),
    "key-order-cancelled-not-mine": Kind(_ORDER),
    "wish-date-passed": Kind(_WISH),
    "dispatch-stopped": Kind(_ORDER),
    "key-dispatched-by-post": Kind(_ORDER, (_CARRIER, _TRACKING)),
    "key-dispatched-by-carrier": Kind(_ORDER, (_CARRIER, _TRACKING, _CHARGE_AT_DOOR)),
    "recipient-absent-post": Kind(_ORDER, (_TRACKING, _HELD_UNTIL)),
    "recipient-absent-carrier": Kind(_ORDER, (_TRACKING, _HELD_UNTIL, _CHARGE_AT_DOOR)),
    "reminder-held-at-post": Kind(_ORDER, (_TRACKING, Fact("held-until", "date", "deadline"))),
    "reminder-storage-ends": Kind(_REDELIVERY, (_STORAGE_UNTIL, _CHARGE_AT_DOOR)),
    "key-returned": Kind(_REDELIVERY, (_STORAGE_UNTIL, _CHARGE_AT_DOOR)),
    "redelivery-accepted": Kind(_ORDER, (_CHARGE_AT_DOOR,)),
    "key-handed-over": Kind(_ORDER, (Fact("claims-until", "date", "claims_until"),)),
    "key-lost": Kind(_ORDER),
    "key-destroyed": Kind(_ORDER),
    "mail-redirect-alarm": Kind(_ORDER),
    "order-placed": Kind(_ORDER, (_DISPATCH_BY,), receipt=True),
    "order-cancelled": Kind(_ORDER),
    "order-dispatched": Kind(_ORDER),
    "dispatch-promised": Kind(_ORDER, (Fact("dispatch-by", "date", "promised_on"),)),
    "means-wanted": Kind(_PAYMENT),
    "invoice-issued": Kind(_ORDER, (Fact("due", "date", "due_on"),)),
    "invoice-late": Kind(_ORDER, (Fact("late-charge", "yen", "charge"),)),
    "invoice-paid": Kind(_ORDER),
    "points-granted": Kind(_POINTS, (Fact("points", "count", "points"),)),
}
