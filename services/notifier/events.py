"""What we say of each event, and why we say nothing of the others: the one table of OP-11.

Where two contexts tell of one thing, one of them speaks: of key orders sparekey does, of goods the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any, Literal

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Day
from ruum.identity.v1 import events_pb2 as identity
from ruum.points.v1 import events_pb2 as points
from ruum.rooms.v1 import events_pb2 as rooms
from ruum.sparekey.v1 import events_pb2 as sparekey
from ruum.store.v1 import events_pb2 as store
from services.chassis.idempotency import Work
from services.chassis.jst import last_day_of
from services.chassis.stream import Handlers
from services.notifier.deliveries import domain as deliveries
from services.notifier.deliveries.models import Notice

Of = Literal["everything", "goods-placed", "goods"]


@dataclass(frozen=True)
class Speaks:
    """An event that becomes notices.

    Attributes:
        notices: what is said, to whom.
        of: `goods-placed` and `goods` speak only where the order is one of goods.
    """

    notices: Callable[[Any], Iterable[Notice]]
    of: Of = "everything"


@dataclass(frozen=True)
class Silent:
    """An event that nobody gets a message about, and why."""

    because: str


def _member(letter: str | Callable[[Any], str], *facts: str, of: Of = "everything") -> Speaks:
    """One message to the member in the header, written from these fields of the event."""
    return Speaks(lambda told: [_to_member(told, letter if isinstance(letter, str) else letter(told), *facts)], of)


def _to_member(told: Any, letter: str, *facts: str) -> Notice:
    return Notice(recipient=told.header.member_id, letter=letter, facts=_facts(told, *facts))


def _facts(told: Any, *names: str) -> dict[str, str | int]:
    """Fields by their names, without the empty ones; a deadline becomes the day at whose end it comes."""
    known = ((name, getattr(told, name)) for name in names if not _is_unset(told, name))
    return {name: _fact(value) for name, value in known if value != ""}


def _is_unset(told: Any, name: str) -> bool:
    return told.DESCRIPTOR.fields_by_name[name].message_type is not None and not told.HasField(name)


def _fact(value: Any) -> str | int:
    if isinstance(value, Timestamp):
        return last_day_of(value.ToDatetime(UTC)).isoformat()
    if isinstance(value, Day):
        return value.iso
    return value if isinstance(value, int) else str(value)


def _code(told: identity.CodeRequested) -> list[Notice]:
    return [Notice(recipient=told.envelope_id, letter="code")]


def _key_ordered(told: sparekey.KeyOrdered) -> list[Notice]:
    completed = _to_member(told, "key-ordered", "order_id", "promised_dispatch_on")
    if not told.contractor_member_id:
        return [completed]
    return [completed, Notice(recipient=told.contractor_member_id, letter="key-ordered-in-household")]


def _conflict(told: rooms.ContractorConflictOpened) -> list[Notice]:
    return [
        Notice(recipient=told.header.member_id, letter="conflict-opened"),
        Notice(recipient=told.holder_member_id, letter="registration-disputed"),
    ]


_CANCELLED = {
    "key-number-not-confirmed": "key-order-cancelled-number",
    "reported-not-mine": "key-order-cancelled-not-mine",
}

TABLE: Mapping[type[Message], Speaks | Silent] = {
    identity.CodeRequested: Speaks(_code),
    identity.MemberSignedUp: Silent("whoever signs up has just typed our code and sees the account on the screen"),
    identity.SignedInOnNewDevice: _member("signed-in-on-new-device"),
    rooms.RoomRegistered: _member("room-registered"),
    rooms.MemberRemoved: _member("member-removed"),
    rooms.LeaseChanged: Silent("it names nobody; what a lease's change does to people is told by its own events"),
    rooms.AddressChanged: Silent("nobody moved; a key that it stops is told of by dispatch_stopped"),
    rooms.AccessSuspended: _member("access-suspended"),
    rooms.ContractorConflictOpened: Speaks(_conflict),
    rooms.ContractorConflictSettled: _member(lambda told: f"conflict-{told.outcome}"),
    sparekey.KeyOrdered: Speaks(_key_ordered),
    sparekey.KeyNumberAsked: _member(
        lambda told: "key-number-asked" if told.round == 1 else "key-number-asked-again", "order_id", "deadline"
    ),
    sparekey.KeyNumberAccepted: _member("key-number-accepted", "order_id"),
    sparekey.KeyOrderCancelled: _member(lambda told: _CANCELLED.get(told.reason, "key-order-cancelled"), "order_id"),
    sparekey.WishDatePassed: _member("wish-date-passed", "order_id"),
    sparekey.DispatchStopped: _member("dispatch-stopped", "order_id"),
    sparekey.KeyDispatched: _member(
        lambda told: "key-dispatched-by-post" if told.carrier == "post" else "key-dispatched-by-carrier",
        "order_id",
        "carrier",
        "tracking_number",
        "charge",
    ),
    sparekey.RecipientAbsent: _member(
        # A key made again goes by post, however often the one before it was sent once more (SK-35).
        lambda told: "recipient-absent-carrier" if told.charge else "recipient-absent-post",
        "order_id",
        "tracking_number",
        "held_until",
        "charge",
    ),
    sparekey.ReminderDue: _member(
        lambda told: f"reminder-{told.reminder}", "order_id", "days", "deadline", "tracking_number", "charge"
    ),
    sparekey.KeyReturned: _member("key-returned", "order_id", "deadline", "charge"),
    sparekey.RedeliveryAccepted: _member("redelivery-accepted", "order_id", "charge"),
    sparekey.KeyHandedOver: _member("key-handed-over", "order_id", "claims_until"),
    sparekey.KeyLost: _member("key-lost", "order_id"),
    sparekey.KeyDestroyed: _member("key-destroyed", "order_id"),
    sparekey.MailRedirectAlarm: _member("mail-redirect-alarm", "order_id"),
    store.OrderPlaced: _member("order-placed", "order_id", of="goods-placed"),
    store.OrderCancelled: _member("order-cancelled", "order_id", of="goods"),
    store.OrderDispatched: _member("order-dispatched", "order_id", of="goods"),
    store.OrderDelivered: Silent("the goods speak for themselves; of keys key_handed_over tells"),
    store.OrderClosed: Silent("nothing is left to do, and the order page says so; key_destroyed tells of keys"),
    store.OrderAmountChanged: Silent("it says what earns points; who changed the price tells the customer why"),
    store.DispatchPromised: _member("dispatch-promised", "order_id", "promised_on"),
    store.MeansWanted: _member("means-wanted", "order_id"),
    store.InvoiceIssued: _member("invoice-issued", "order_id", "due_on"),
    store.InvoiceLate: _member("invoice-late", "order_id", "charge"),
    store.InvoicePaid: _member("invoice-paid", "order_id"),
    points.PointsGranted: _member("points-granted", "order_id", "points"),
}


def handlers() -> Handlers:
    """What the events of the other contexts make us plan."""
    return {kind: partial(_plan, row) for kind, row in TABLE.items() if isinstance(row, Speaks)}


async def _plan(row: Speaks, work: Work, told: Any) -> None:
    event_id, notices = told.header.event_id, row.notices(told)
    if row.of == "everything":
        await deliveries.plan(work, event_id, notices)
    elif row.of == "goods":
        await deliveries.plan_for_goods(work, event_id, told.order_id, notices)
    elif told.flow == "goods":
        await deliveries.goods_placed(work, event_id, told.order_id, notices)
