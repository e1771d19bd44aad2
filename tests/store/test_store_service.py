"""The store behind its door: who may ask what, and how it is answered over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from ruum.common.v1 import common_pb2
from ruum.store.v1 import store_pb2 as pb
from ruum.store.v1.store_pb2_grpc import StoreServiceStub, add_StoreServiceServicer_to_server
from services.chassis import wire
from services.chassis.caller import Caller
from services.chassis.errors import InvalidField, NotAllowed, RuumError
from services.chassis.ids import new_id
from services.store.invoices import models as invoices
from services.store.orders import models as orders
from services.store.payments import models as payments
from services.store.servicer import StoreServicer
from tests.store.world import (
    CAMPAIGNS,
    DESK,
    GATEWAY,
    HOME,
    SPAREKEY,
    WORKER,
    World,
    as_member,
    just_before,
    request_id,
)
from tests.support.callers import Keys, refused
from tests.support.contexts import served

CONTRACT = pb.DESCRIPTOR.services_by_name["StoreService"]


class Line:
    """Calls the service as whoever it is told to be."""

    def __init__(self, channel: grpc.aio.Channel, keys: Keys, world: World) -> None:
        self._stub: Any = StoreServiceStub(channel)
        self._keys = keys
        self._shop = world

    async def ask(self, caller: Caller, method: str, **fields: Any) -> Any:
        asks_for = CONTRACT.methods_by_name[method].input_type
        if "request_id" in asks_for.fields_by_name:
            fields = {"request_id": request_id(), **fields}
        request = getattr(pb, asks_for.name)(**fields)
        metadata = self._keys.metadata(caller, "store", self._shop.clock)
        return await getattr(self._stub, method)(request, metadata=metadata)


@pytest.fixture
async def line(world: World, keys: Keys) -> AsyncIterator[Line]:
    def add(server: Any) -> None:
        add_StoreServiceServicer_to_server(StoreServicer(world.store), server)

    async with served("store", keys.ring(world.clock), [CONTRACT], add) as running:
        yield Line(running.channel, keys, world)


def address() -> common_pb2.Address:
    return common_pb2.Address(**HOME.model_dump())


async def opened(line: Line, member: str, **more: Any) -> Any:
    asked = {"member_id": member, "room_id": new_id("room"), "sku": "key-ic", "quantity": 2, "address": address()}
    return await line.ask(SPAREKEY, "OpenKeyCheckout", **asked | more)


async def placed(line: Line, member: str, means: str = "MEANS_CARD", **choices: Any) -> Any:
    view = await opened(line, member)
    await line.ask(
        as_member(member),
        "UpdateCheckout",
        order_id=view.order_id,
        version=view.version,
        means=means,
        **{"card_id": new_id("pm")} if means == "MEANS_CARD" else {},
        **choices,
    )
    snapshot = await line.ask(
        SPAREKEY, "TakeSnapshot", order_id=view.order_id, member_id=member, language="en", address=address()
    )
    attempt = {"order_id": view.order_id, "attempt": 1}
    versions = {"terms_version": "t1", "cancellation_version": "c1"}
    await line.ask(WORKER, "BeginPlacing", snapshot_hash=snapshot.snapshot_hash, **versions, **attempt)
    await line.ask(WORKER, "Authorise", **attempt)
    return await line.ask(WORKER, "ConfirmOrder", dispatch_business_days=7, **attempt)


async def test_a_key_is_ordered_paid_and_sent_over_grpc(line: Line, world: World, member: str) -> None:
    world.neighbours.points = 600

    order = await placed(line, member, points_choice="POINTS_CHOICE_SOME", points_some=200, remarks="夕方")

    assert (order.state, len(order.order_number), order.remarks) == (pb.ORDER_STATE_PLACED, 10, "夕方")
    (bought,) = order.lines
    assert (bought.sku, bought.quantity, bought.unit_price, bought.amount) == ("key-ic", 2, 6_600, 13_200)
    assert (bought.name.ja, bought.points_share) == ("スペアキー（ICキー）", 200)
    totals = order.totals
    assert (totals.goods, totals.points, totals.points_yen, totals.due, totals.points_to_earn) == (
        (13_200, 200, 200, 13_000, 130)
    )
    assert (order.payment.means, order.payment.state) == (pb.MEANS_CARD, pb.PAYMENT_STATE_AUTHORISED)
    assert (order.promised_dispatch_on.iso, order.address.city) == ("2026-07-14", "港区")
    captured = await line.ask(WORKER, "CapturePayment", order_id=order.order_id)
    assert captured.state == pb.PAYMENT_STATE_CAPTURED
    at = world.clock.now() - timedelta(hours=1)
    sent = await line.ask(WORKER, "MarkOrder", order_id=order.order_id, state="ORDER_STATE_DISPATCHED", happened_at=at)
    assert (sent.state, sent.dispatched_at.ToDatetime()) == (pb.ORDER_STATE_DISPATCHED, at.replace(tzinfo=None))


async def test_a_checkout_shows_all_that_may_be_chosen(line: Line, world: World, member: str) -> None:
    world.neighbours.points = 50
    view = await opened(line, member)

    shown = await line.ask(as_member(member), "GetCheckout", order_id=view.order_id)

    assert shown.means_offered == [pb.MEANS_CARD, pb.MEANS_DEFERRED, pb.MEANS_EPOS]
    assert (len(shown.wish_dates_offered), shown.wish_dates_offered[0].iso) == (14, "2026-07-16")
    assert (shown.expected_dispatch_on.iso, shown.points_available) == ("2026-07-14", 50)
    assert (shown.state, shown.means, shown.card_id) == (pb.ORDER_STATE_CHECKOUT, pb.MEANS_UNSPECIFIED, "")
    assert (shown.keep_card, shown.invoice_to) == (True, pb.INVOICE_TO_DELIVERY)
    assert shown.recipient.kana == "ヤマダ ハナコ"


async def test_what_is_not_given_is_not_changed_and_what_is_empty_is_taken_away(
    line: Line, world: World, member: str
) -> None:
    code = await world.coupon()
    view = await opened(line, member)
    me, order = as_member(member), view.order_id
    person = pb.Recipient(name="鈴木", kana="スズキ", phone="0312345678")
    chosen = {"coupon_code": code, "wish_date": "2026-07-20", "keep_card": False, "recipient": person}
    first = await line.ask(me, "UpdateCheckout", order_id=order, version=view.version, **chosen)

    second = await line.ask(
        me, "UpdateCheckout", order_id=order, version=first.version, coupon_code="", invoice_to="INVOICE_TO_ORDERER"
    )

    assert (first.coupon_code, first.totals.coupon) == (code, 500)
    assert (second.coupon_code, second.totals.coupon) == ("", 0)
    assert (second.wish_date.iso, second.keep_card, second.recipient.name) == ("2026-07-20", False, "鈴木")
    assert second.invoice_to == pb.INVOICE_TO_ORDERER


async def test_a_deferred_order_shows_its_invoice(line: Line, world: World, member: str) -> None:
    order = await placed(line, member, "MEANS_DEFERRED")

    invoice = await line.ask(WORKER, "IssueInvoice", order_id=order.order_id)

    assert (invoice.state, invoice.amount, invoice.due_on.iso) == (pb.INVOICE_STATE_ISSUED, 13_200, "2026-07-17")
    assert invoice.due_at == invoice.next_charge_at
    shown = await line.ask(as_member(member), "GetOrder", order_id=order.order_id)
    assert shown.invoice == invoice
    assert (await line.ask(WORKER, "ReviewInvoice", invoice_id=invoice.invoice_id)) == invoice
    act = {"invoice_id": invoice.invoice_id, "operator": "op_sato", "action": "look_again", "reason": "mended"}
    recorded = await line.ask(WORKER, "RecordAction", **act)
    kept = "select operator || ' ' || reason from invoice_actions where action_id = :a"
    assert await world.scalar(kept, a=recorded.action_id) == "op_sato mended"


async def test_history_cards_coupons_and_books_are_listed(line: Line, world: World, member: str) -> None:
    code = await world.coupon()
    order = await placed(line, member)
    me = as_member(member)

    (mine,) = (await line.ask(me, "ListOrders")).orders
    (card,) = (await line.ask(me, "ListKeptCards")).cards
    view = await opened(line, member)
    usable = (await line.ask(me, "ListUsableCoupons", order_id=view.order_id)).coupons
    books = (await line.ask(DESK, "ListBooks", page=common_pb2.Page(size=1))).books

    assert mine == await line.ask(me, "GetOrder", order_id=order.order_id)
    assert (card.brand, card.last4) == ("visa", "4242")
    assert code in {coupon.code for coupon in usable}
    assert len(books) == 1
    products = (await line.ask(GATEWAY, "ListProducts", category="spare-key")).products
    assert {(product.sku, product.category, product.lead_business_days) for product in products} == {
        ("key-normal", "spare-key", 7),
        ("key-ic", "spare-key", 7),
    }


@pytest.mark.rule("OP-06")
async def test_the_books_show_a_dropped_order_whose_placing_had_asked_for_money(
    line: Line, world: World, member: str
) -> None:
    view = await world.ready(member)
    await world.begun(view)
    await world.authorised(view.order_id)
    await world.abandoned(view.order_id)
    await line.ask(SPAREKEY, "DropCheckout", order_id=view.order_id, member_id=member)

    page = common_pb2.Page(cursor=just_before(view.order_id), size=1)
    (book,) = (await line.ask(DESK, "ListBooks", page=page)).books

    assert (book.order.order_id, book.order.state) == (view.order_id, pb.ORDER_STATE_DROPPED)
    assert (book.captured, book.open_intents) == (0, 1)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (pb.OrderState, orders.STATES),
        (pb.PaymentState, [state for state in payments.STATES if state != "asked"]),
        (pb.InvoiceState, invoices.STATES),
    ],
)
def test_every_state_has_its_word_in_the_contract(kinds: Any, words: list[str]) -> None:
    assert [wire.word(kinds, wire.number(kinds, state)) for state in words] == list(words)


async def test_operators_keep_products_and_the_campaign_desk_keeps_coupons(line: Line) -> None:
    (key, *_) = (await line.ask(SPAREKEY, "ListProducts", category="spare-key")).products
    kept = await line.ask(DESK, "PutProducts", products=[key])
    stated = pb.CouponTerms(
        code=f"C{request_id()[-20:].upper()}",
        name=pb.LocalText(ja="割", en="off", zh_hans="惠"),
        percent_off=10,
        first_day=common_pb2.Day(iso="2026-07-01"),
        last_day=common_pb2.Day(iso="2026-07-31"),
        uses_per_member=1,
        uses_total=5,
    )
    added = await line.ask(CAMPAIGNS, "PutCoupons", coupons=[stated])

    assert (kept.changed, added.changed) == (0, 1)
    stated.last_day.iso = "2026-02-31"
    failure = await refused(line.ask(CAMPAIGNS, "PutCoupons", coupons=[stated]))
    assert (failure.code, failure.violations[0].field) == (InvalidField.code, "coupons[0].last_day")


ORDER = {"order_id": new_id("ord")}
OF_NOBODY: dict[str, dict[str, Any]] = {
    "GetCheckout": ORDER,
    "UpdateCheckout": ORDER | {"version": 1},
    "DropCheckout": ORDER | {"member_id": new_id("mem")},
    "ListUsableCoupons": ORDER,
    "GetOrder": ORDER,
    "PayerReturned": ORDER,
    "ChangeMeans": ORDER | {"means": "MEANS_EPOS"},
    "Authorise": ORDER | {"attempt": 1},
    "ConfirmOrder": ORDER | {"attempt": 1, "dispatch_business_days": 7},
    "AbandonPlacing": ORDER | {"attempt": 1, "reason": "card-declined"},
    "EnsureAuthorised": ORDER,
    "CapturePayment": ORDER,
    "CancelOrder": ORDER | {"reason": "lease-ended"},
    "MarkOrder": ORDER | {"state": "ORDER_STATE_DISPATCHED"},
    "PromiseDispatch": ORDER | {"business_days": 3},
    "IssueInvoice": ORDER,
    "ReviewInvoice": {"invoice_id": new_id("inv")},
    "ChargeLateInvoice": {"invoice_id": new_id("inv"), "ordinal": 1},
}


@pytest.mark.parametrize("method", OF_NOBODY)
async def test_what_there_is_not_is_refused_by_name(line: Line, member: str, method: str) -> None:
    may = callers(CONTRACT.methods_by_name[method])
    who = WORKER if "worker" in may else as_member(member) if "member" in may else SPAREKEY

    failure = await refused(line.ask(who, method, **OF_NOBODY[method]))

    assert failure.code in {"not-found", "attempt-over", "payment-missing"}


def callers(method: Any) -> set[str]:
    return set(method.GetOptions().Extensions[common_pb2.callers])


@pytest.mark.rule("QA-11")
@pytest.mark.parametrize("method", list(CONTRACT.methods), ids=lambda method: method.name)
async def test_nobody_calls_what_is_not_theirs(line: Line, member: str, method: Any) -> None:
    everybody = {
        "member": as_member(member),
        "operator": DESK,
        **{who.name: who for who in (WORKER, SPAREKEY, GATEWAY, CAMPAIGNS, Caller("service", "points"))},
    }

    for name, who in everybody.items():
        if name not in callers(method):
            failure = await refused(line.ask(who, method.name))
            assert failure.code == NotAllowed.code, name


@pytest.mark.rule("PR-05")
async def test_only_the_worker_states_the_time(line: Line, world: World, member: str) -> None:
    order = await world.placed(member)
    earlier = world.clock.now() - timedelta(hours=1)

    await line.ask(WORKER, "MarkOrder", order_id=order.order_id, state="ORDER_STATE_DISPATCHED", as_of=earlier)

    assert (await world.row(order.order_id)).dispatched_at == earlier
    timed = [method for method in CONTRACT.methods if "as_of" in method.input_type.fields_by_name]
    assert len(timed) > 10
    assert all(callers(method) == {"worker"} for method in timed)


@pytest.mark.rule("PR-10")
async def test_a_repeat_is_answered_alike_and_another_content_under_its_id_is_refused(line: Line, member: str) -> None:
    asked = request_id()
    room = new_id("room")

    first = await opened(line, member, request_id=asked, room_id=room)
    second = await opened(line, member, request_id=asked, room_id=room)

    assert first == second
    failure: RuumError = await refused(opened(line, member, request_id=asked, room_id=room, quantity=3))
    assert failure.code == "request-id-reused"


async def test_a_webhook_is_taken_over_grpc(line: Line, world: World, member: str) -> None:
    from services.chassis.webhooks import StandardWebhooks  # noqa: PLC0415  # only this test signs

    order = await placed(line, member, "MEANS_DEFERRED")
    body = (
        f'{{"id": "evt_{order.order_id}", "type": "paid", "data": {{"merchant_ref": "{order.order_id}-1"}}}}'.encode()
    )
    headers = StandardWebhooks(["webhook-secret"], world.clock).sign(f"evt_{order.order_id}", body)
    webhook = common_pb2.Webhook(partner="deferred", headers=headers, body=body)

    first = await line.ask(GATEWAY, "ReceiveWebhook", webhook=webhook)
    again = await line.ask(GATEWAY, "ReceiveWebhook", webhook=webhook)

    assert (first.seen_before, again.seen_before) == (False, True)
    webhook.body += b" "
    assert (await refused(line.ask(GATEWAY, "ReceiveWebhook", webhook=webhook))).code == "webhook-forged"
