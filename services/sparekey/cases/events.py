"""Facts that the service tells; named and shaped like the messages of events.proto (OP-10)."""

from datetime import date, datetime
from typing import Any, Self

from services.chassis.events import Event
from services.sparekey.cases.models import Case


class OfOrder(Event):
    """Parent: a fact about one order, told to its member."""

    order_id: str

    @classmethod
    def of(cls, case: Case, **says: Any) -> Self:
        """The fact about this case, with what it says beyond order and member."""
        return cls(aggregate_id=case.order_id, order_id=case.order_id, member_id=case.member_id, **says)


class KeyOrdered(OfOrder):
    room_id: str
    promised_dispatch_on: date
    contractor_member_id: str = ""


class KeyNumberAsked(OfOrder):
    deadline: datetime
    round: int


class KeyNumberAccepted(OfOrder):
    round: int


class KeyOrderCancelled(OfOrder):
    reason: str


class WishDatePassed(OfOrder):
    pass


class DispatchStopped(OfOrder):
    reason: str


class KeyDispatched(OfOrder):
    tracking_number: str
    carrier: str
    redelivery: int
    dispatched_at: datetime
    charge: int


class RecipientAbsent(OfOrder):
    held_until: datetime
    redelivery: int
    tracking_number: str
    charge: int


class ReminderDue(OfOrder):
    reminder: str
    days: int
    deadline: datetime | None
    tracking_number: str
    charge: int


class KeyReturned(OfOrder):
    deadline: datetime
    charge: int
    redelivery: int


class RedeliveryAccepted(OfOrder):
    redelivery: int
    charge: int


class KeyHandedOver(OfOrder):
    claims_until: date


class KeyLost(OfOrder):
    pass


class KeyDestroyed(OfOrder):
    reason: str


class MailRedirectAlarm(OfOrder):
    pass
