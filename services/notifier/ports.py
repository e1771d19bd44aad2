"""What the notifier asks of others: whom to write to, what was ordered, and to carry a message there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Protocol

from services.notifier.models import Channel
from services.texts import Language


@dataclass(frozen=True)
class Contact:
    """Where a member is reached at this moment; empty where not at all."""

    language: str
    email: str = field(repr=False)
    phone: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True)
class Envelope:
    """What a code message must say, and to whom (ID-05)."""

    channel: Channel
    address: str = field(repr=False)
    language: str
    purpose: str
    code: str = field(repr=False)
    sequence: int
    expires_at: datetime


@dataclass(frozen=True)
class Line:
    """One line of an order; yen, tax included."""

    name: Mapping[Language, str]
    quantity: int
    unit_price: int
    amount: int


@dataclass(frozen=True)
class Purchase:
    """What an order's letters show: no address, no recipient and no card.

    Attributes:
        facts: the order's number, its sums as the contract calls them, what does not apply left out, its means.
    """

    facts: Mapping[str, str | int]
    lines: tuple[Line, ...]


class NothingToSend(Exception):
    """The member or envelope is gone, or there is no way to reach it: what was planned has no use."""


class Refused(Exception):
    """This address does not accept the message, and never will.

    Attributes:
        reason: a word for the delivery log, without any data: `smtp-550`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotNow(Exception):
    """It was not handed over, or nobody knows whether it was: the very same message must be sent again.

    Attributes:
        reason: as above.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Identity(Protocol):
    async def contact(self, member_id: str) -> Contact:
        """Where to write to a member now.

        Raises:
            NothingToSend: the account is gone.
            RuumError: identity cannot answer.
        """

    async def open(self, envelope_id: str) -> Envelope:
        """What waits in an envelope; it can be read until it is closed.

        Raises:
            NothingToSend: a newer code took its place, or it is too old.
            RuumError: identity cannot answer.
        """

    async def close(self, envelope_id: str, request_id: str) -> None:
        """Has what was sent destroyed; does nothing if it already is.

        Raises:
            RuumError: identity cannot answer.
        """


class Store(Protocol):
    async def purchase(self, order_id: str) -> Purchase:
        """An order as it stands now.

        Raises:
            RuumError: the store cannot answer, or knows no such order.
        """


class MailCarrier(Protocol):
    async def send(self, mail: EmailMessage) -> None:
        """Hands a mail over; another one with the same Message-ID is the same mail.

        Raises:
            Refused: the address does not exist, or does not take this mail.
            NotNow: it has to be sent again.
        """


class SmsCarrier(Protocol):
    async def send(self, to: str, text: str, reference: str) -> None:
        """Hands an SMS over, once for each reference.

        Raises:
            Refused: no SMS can go to this number.
            NotNow: it has to be sent again.
        """


@dataclass(frozen=True)
class Ports:
    """All of them."""

    identity: Identity
    store: Store
    mail: MailCarrier
    sms: SmsCarrier
