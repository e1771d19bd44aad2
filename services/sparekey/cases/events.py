"""Facts that the service tells; named and shaped like the messages of events.proto (OP-10)."""

from datetime import date, datetime
from typing import ClassVar

from services.chassis.events import Event


class OfOrder(Event):
    """Parent: a fact about one order, told to its member."""

    order_id: str


class KeyOrdered(OfOrder):
    subject: ClassVar[str] = "key_ordered"
    room_id: str
    promised_dispatch_on: date
    contractor_member_id: str = ""


class KeyNumberAsked(OfOrder):
    subject: ClassVar[str] = "key_number_asked"
    deadline: datetime
    round: int


class KeyNumberAccepted(OfOrder):
    subject: ClassVar[str] = "key_number_accepted"
    round: int


class KeyOrderCancelled(OfOrder):
    subject: ClassVar[str] = "key_order_cancelled"
    reason: str


class WishDatePassed(OfOrder):
    subject: ClassVar[str] = "wish_date_passed"


class DispatchStopped(OfOrder):
    subject: ClassVar[str] = "dispatch_stopped"
    reason: str


class KeyDispatched(OfOrder):
    subject: ClassVar[str] = "key_dispatched"
    tracking_number: str
    carrier: str
    redelivery: int
    dispatched_at: datetime
    charge: int


class RecipientAbsent(OfOrder):
    subject: ClassVar[str] = "recipient_absent"
    held_until: datetime
    redelivery: int
    tracking_number: str
    charge: int


class ReminderDue(OfOrder):
    subject: ClassVar[str] = "reminder_due"
    reminder: str
    days: int
    deadline: datetime | None
    tracking_number: str
    charge: int


class KeyReturned(OfOrder):
    subject: ClassVar[str] = "key_returned"
    deadline: datetime
    charge: int
    redelivery: int


class RedeliveryAccepted(OfOrder):
    subject: ClassVar[str] = "redelivery_accepted"
    redelivery: int
    charge: int


class KeyHandedOver(OfOrder):
    subject: ClassVar[str] = "key_handed_over"
    claims_until: date


class KeyLost(OfOrder):
    subject: ClassVar[str] = "key_lost"


class KeyDestroyed(OfOrder):
    subject: ClassVar[str] = "key_destroyed"
    reason: str


class MailRedirectAlarm(OfOrder):
    subject: ClassVar[str] = "mail_redirect_alarm"
