"""Each event becomes the one message that the table names, to the right person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Day
from ruum.identity.v1 import events_pb2 as identity
from ruum.points.v1 import events_pb2 as points
from ruum.rooms.v1 import events_pb2 as rooms
from ruum.sparekey.v1 import events_pb2 as sparekey
from ruum.store.v1 import events_pb2 as store
from services.chassis.ids import new_id
from services.chassis.jst import JST
from tests.notifier.world import NUMBER, PORTAL, SENDING_DOMAIN, World

ORDER, ROOM, INVOICE = new_id("ord"), new_id("room"), new_id("dfi")
DAY = Day(iso="2026-05-12")
# The end of 10 May in Japan: the day that a person reads.
END_OF_10_MAY = Timestamp()
END_OF_10_MAY.FromDatetime(datetime(2026, 5, 11, tzinfo=JST).astimezone(UTC))


@dataclass(frozen=True)
class Case:
    """An event about a member, and what that member reads in Japanese."""

    event: Callable[..., Any]
    letter: str
    facts: tuple[str, ...] = ()
    page: str = f"/orders/{ORDER}"

    def __str__(self) -> str:
        return self.letter


def key(kind: Any, letter: str, *facts: str, page: str = f"/orders/{ORDER}", **fields: Any) -> Any:
    return pytest.param(
        Case(lambda header: kind(header=header, order_id=ORDER, **fields), letter, facts, page), id=letter
    )


def room(kind: Any, letter: str, **fields: Any) -> Any:
    case = Case(lambda header: kind(header=header, room_id=ROOM, **fields), letter, (), "/rooms")
    return pytest.param(case, id=letter)


def account(kind: Any, letter: str, **fields: Any) -> Any:
    case = Case(lambda header: kind(header=header, **fields), letter, (), "/account/security")
    return pytest.param(case, id=letter)


SAID = [
    account(identity.SignedInOnNewDevice, "signed-in-on-new-device"),
    room(rooms.RoomRegistered, "room-registered"),
    room(rooms.MemberRemoved, "member-removed"),
    room(rooms.AccessSuspended, "access-suspended"),
    room(rooms.ContractorConflictSettled, "conflict-released", outcome="released"),
    room(rooms.ContractorConflictSettled, "conflict-granted", outcome="granted"),
    room(rooms.ContractorConflictSettled, "conflict-refused", outcome="refused"),
    key(sparekey.KeyOrdered, "key-ordered", "2026年5月12日", promised_dispatch_on=DAY),
    key(sparekey.KeyNumberAccepted, "key-number-accepted"),
    key(sparekey.KeyOrderCancelled, "key-order-cancelled-number", reason="key-number-not-confirmed"),
    key(sparekey.KeyOrderCancelled, "key-order-cancelled-not-mine", reason="reported-not-mine"),
    key(sparekey.KeyOrderCancelled, "key-order-cancelled", reason="lease-ended"),
    key(sparekey.WishDatePassed, "wish-date-passed", page=f"/orders/{ORDER}/delivery-date"),
    key(sparekey.DispatchStopped, "dispatch-stopped", reason="lease-ended"),
    key(
        sparekey.KeyDispatched,
        "key-dispatched-by-post",
        "書留郵便（日本郵便）",
        "123-4",
        tracking_number="123-4",
        carrier="post",
    ),
    key(
        sparekey.KeyDispatched,
        "key-dispatched-by-carrier",
        "宅急便コレクト（ヤマト運輸）",
        "567-8",
        "940円",
        tracking_number="567-8",
        carrier="carrier",
        redelivery=1,
        charge=940,
    ),
    key(
        sparekey.RecipientAbsent,
        "recipient-absent-post",
        "2026年5月10日",
        "123-4",
        held_until=END_OF_10_MAY,
        tracking_number="123-4",
    ),
    key(
        sparekey.RecipientAbsent,
        "recipient-absent-post",
        "2026年5月10日",
        "900-1",
        held_until=END_OF_10_MAY,
        redelivery=1,
        tracking_number="900-1",
    ),
    key(
        sparekey.RecipientAbsent,
        "recipient-absent-carrier",
        "2026年5月10日",
        "567-8",
        "940円",
        held_until=END_OF_10_MAY,
        redelivery=1,
        tracking_number="567-8",
        charge=940,
    ),
    key(
        sparekey.KeyReturned,
        "key-returned",
        "2026年5月10日",
        "935円",
        page=f"/orders/{ORDER}/redelivery",
        deadline=END_OF_10_MAY,
        charge=935,
    ),
    key(sparekey.RedeliveryAccepted, "redelivery-accepted", "935円", redelivery=1, charge=935),
    key(sparekey.KeyHandedOver, "key-handed-over", "2026年5月12日", claims_until=DAY),
    key(sparekey.KeyLost, "key-lost"),
    key(sparekey.KeyDestroyed, "key-destroyed", reason="storage-ended"),
    key(sparekey.MailRedirectAlarm, "mail-redirect-alarm"),
    key(store.OrderPlaced, "order-placed", flow="goods"),
    key(store.DispatchPromised, "dispatch-promised", "2026年5月12日", promised_on=DAY),
    key(store.MeansWanted, "means-wanted", page=f"/orders/{ORDER}/payment", decline_code="card-declined"),
    key(store.InvoiceIssued, "invoice-issued", "2026年5月12日", invoice_id=INVOICE, due_on=DAY),
    key(store.InvoiceLate, "invoice-late", "297円", invoice_id=INVOICE, ordinal=1, charge=297),
    key(store.InvoicePaid, "invoice-paid", invoice_id=INVOICE),
    key(points.PointsGranted, "points-granted", "1,234", page="/points", points=1234),
]


async def said(world: World, case: Case) -> None:
    """Tells the event and reads the one mail that comes of it."""
    member = world.member("ja", "山田 太郎")
    event = case.event(header=world.header(member))

    await world.tell(event)

    [delivery] = await world.settled(event, "sent")
    [mail] = await world.inbox(world.address(member))
    assert delivery["letter"] == case.letter
    assert mail["copies"] == 1
    assert mail["message_id"] == f"<{delivery['id']}@{SENDING_DOMAIN}>"
    for written in (mail["text"], mail["html"]):
        for fact in ("山田 太郎 様", f"{PORTAL}{case.page}", f"{PORTAL}/help", *case.facts):
            assert fact in written
        assert (NUMBER in written) == ("order_id" in delivery["facts"])


@pytest.mark.parametrize("case", SAID)
async def test_an_event_becomes_one_mail_with_its_facts_and_one_link(world: World, case: Case) -> None:
    await said(world, case)


@pytest.mark.rule("SK-27")
async def test_a_placed_key_order_is_confirmed_by_mail_with_the_promised_day(world: World) -> None:
    placed = Case(
        lambda header: sparekey.KeyOrdered(header=header, order_id=ORDER, promised_dispatch_on=DAY),
        "key-ordered",
        ("2026年5月12日", "スペアキーのご注文を承りました"),
    )

    await said(world, placed)


@pytest.mark.rule("SK-13")
@pytest.mark.parametrize(("number", "letter"), [(1, "key-number-asked"), (2, "key-number-asked-again")])
async def test_a_number_that_does_not_exist_is_asked_for_with_link_and_last_day(
    world: World, number: int, letter: str
) -> None:
    asked = Case(
        lambda header: sparekey.KeyNumberAsked(header=header, order_id=ORDER, deadline=END_OF_10_MAY, round=number),
        letter,
        ("2026年5月10日",),
        f"/orders/{ORDER}/key-number",
    )

    await said(world, asked)


async def test_who_was_not_at_home_is_reminded_until_when_the_post_holds(world: World) -> None:
    due = Case(
        lambda header: sparekey.ReminderDue(
            header=header,
            order_id=ORDER,
            reminder="held-at-post",
            days=1,
            deadline=END_OF_10_MAY,
            tracking_number="123-4",
        ),
        "reminder-held-at-post",
        ("2026年5月10日", "再配達", "123-4"),
    )

    await said(world, due)


@pytest.mark.parametrize("days", [14, 7, 1])
async def test_the_end_of_storage_is_announced_with_the_days_left(world: World, days: int) -> None:
    due = Case(
        lambda header: sparekey.ReminderDue(
            header=header, order_id=ORDER, reminder="storage-ends", days=days, deadline=END_OF_10_MAY, charge=940
        ),
        "reminder-storage-ends",
        ("2026年5月10日", f"残り{days}日", "940円"),
        f"/orders/{ORDER}/redelivery",
    )

    await said(world, due)


@pytest.mark.rule("SK-02")
async def test_the_contractor_hears_of_an_order_by_somebody_else_of_the_home(world: World) -> None:
    orderer, contractor = world.member("en", "Hana Yamada"), world.member("ja", "山田 太郎")
    ordered = sparekey.KeyOrdered(header=world.header(orderer), order_id=ORDER, promised_dispatch_on=DAY)
    ordered.contractor_member_id = contractor

    await world.tell(ordered)

    deliveries = await world.settled(ordered, "sent", number=2)
    assert {row["recipient"]: row["letter"] for row in deliveries} == {
        orderer: "key-ordered",
        contractor: "key-ordered-in-household",
    }
    [word] = await world.inbox(world.address(contractor))
    assert "スペアキーを注文" in word["text"]
    # The household may know of the key; who ordered it and what it cost is the orderer's.
    for kept in ("Hana", NUMBER, "5,800"):
        assert kept not in word["text"]


async def test_both_sides_hear_of_a_contractor_who_met_a_registration(world: World) -> None:
    claimant, holder = world.member(), world.member()
    opened = rooms.ContractorConflictOpened(header=world.header(claimant), room_id=ROOM, holder_member_id=holder)

    await world.tell(opened)

    deliveries = await world.settled(opened, "sent", number=2)
    assert {row["recipient"]: row["letter"] for row in deliveries} == {
        claimant: "conflict-opened",
        holder: "registration-disputed",
    }


@pytest.mark.parametrize(
    ("kind", "letter"), [(store.OrderDispatched, "order-dispatched"), (store.OrderCancelled, "order-cancelled")]
)
async def test_of_goods_the_store_tells(world: World, kind: Any, letter: str) -> None:
    member, order = world.member(), new_id("ord")
    placed = store.OrderPlaced(header=world.header(member, order), order_id=order, flow="goods")
    moved = kind(header=world.header(member, order), order_id=order)

    await world.tell(placed, moved)

    assert [row["letter"] for row in await world.settled(moved, "sent")] == [letter]


async def test_of_one_thing_that_two_contexts_tell_only_one_mail_comes(world: World) -> None:
    member, order = world.member(), new_id("ord")
    twice = [
        store.OrderPlaced(header=world.header(member, order), order_id=order, flow="spare-key"),
        store.OrderDispatched(header=world.header(member, order), order_id=order),
        store.OrderDelivered(header=world.header(member, order), order_id=order),
        store.OrderCancelled(header=world.header(member, order), order_id=order, reason="lease-ended"),
        store.OrderClosed(header=world.header(member, order), order_id=order),
    ]
    last = store.MeansWanted(header=world.header(member, order), order_id=order)

    await world.tell(*twice, last)

    await world.settled(last, "sent")
    assert len(await world.inbox(world.address(member))) == 1
    assert [await world.deliveries(event) for event in twice] == [[]] * len(twice)
