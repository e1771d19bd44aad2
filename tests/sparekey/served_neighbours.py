"""Rooms and store over gRPC, as the deployed service reaches them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1.common_pb2 import Address, Day
from ruum.rooms.v1 import rooms_pb2
from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceServicer
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceServicer
from services.chassis.clock import SystemClock
from services.chassis.errors import NotFound, RuumError
from services.chassis.ids import new_id
from tests.sparekey.neighbours import ADDRESS, RECIPIENT

_KINDS = {"key-normal": 3300, "key-ic": 5500}


class Rooms(RoomsServiceServicer):
    """One room; whoever is in `members` may order keys for it."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.members: set[str] = set()
        self.refusal = ""

    async def CheckPermission(self, request: Any, context: Any) -> rooms_pb2.Permission:  # noqa: N802  # the contract's
        if request.room_id != self.room_id or request.member_id not in self.members:
            raise NotFound
        if self.refusal:
            return rooms_pb2.Permission(allowed=False, refusal=self.refusal)
        until = Timestamp()
        until.FromDatetime(SystemClock().now())
        return rooms_pb2.Permission(
            allowed=True,
            valid_until=until,
            building_code="B-0001",
            building_name="メゾン北一条",
            room_number="201",
            e_touch=True,
            lease_version=3,
            address=Address(**ADDRESS),
        )

    async def GetContractor(self, request: Any, context: Any) -> rooms_pb2.Contractor:  # noqa: N802  # the contract's
        return rooms_pb2.Contractor()


class Store(StoreServiceServicer):
    """Checkouts, orders and payments in memory; `said` has the steps that the process asked for.

    Attributes:
        promised: in how many business days each order was to leave, each time that this was promised.
    """

    def __init__(self) -> None:
        self.orders: dict[str, store_pb2.Order] = {}
        self.snapshots: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self.promised: dict[str, list[int]] = {}
        self.refuses = ""
        self.declines = ""

    def _products(self) -> list[store_pb2.Product]:
        return [store_pb2.Product(product_id=f"prd_{sku}", sku=sku, price=price) for sku, price in _KINDS.items()]

    def _step(self, name: str, request: Any) -> store_pb2.Order:
        self.said.append((name, request.order_id))
        return self.orders[request.order_id]

    def steps(self, order_id: str) -> list[str]:
        return [name for name, of in self.said if of == order_id]

    async def ListProducts(self, request: Any, context: Any) -> store_pb2.ListProductsResponse:  # noqa: N802  # the contract's
        return store_pb2.ListProductsResponse(products=self._products())

    async def OpenKeyCheckout(self, request: Any, context: Any) -> store_pb2.Checkout:  # noqa: N802  # the contract's
        open_state = store_pb2.ORDER_STATE_CHECKOUT
        mine = (it for it in self.orders.values() if it.member_id == request.member_id and it.state == open_state)
        order = next(mine, None) or store_pb2.Order(order_id=new_id("ord"), member_id=request.member_id)
        order.state, order.room_id = open_state, request.room_id
        order.address.CopyFrom(request.address)
        order.recipient.MergeFrom(store_pb2.Recipient(**RECIPIENT))
        del order.lines[:]
        order.lines.add(line_id="lin_1", sku=request.sku, quantity=request.quantity, unit_price=_KINDS[request.sku])
        self.orders[order.order_id] = order
        return self._checkout(order)

    def _checkout(self, order: store_pb2.Order) -> store_pb2.Checkout:
        return store_pb2.Checkout(
            order_id=order.order_id, member_id=order.member_id, lines=order.lines, address=order.address
        )

    async def GetCheckout(self, request: Any, context: Any) -> store_pb2.Checkout:  # noqa: N802  # the contract's
        return self._checkout(self.orders[request.order_id])

    async def DropCheckout(self, request: Any, context: Any) -> store_pb2.DropCheckoutResponse:  # noqa: N802  # the contract's
        self.orders.pop(request.order_id, None)
        return store_pb2.DropCheckoutResponse()

    async def TakeSnapshot(self, request: Any, context: Any) -> store_pb2.Snapshot:  # noqa: N802  # the contract's
        content = json.dumps(dict(request.flow_facts), sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        self.snapshots[request.order_id] = digest
        checkout = self._checkout(self.orders[request.order_id])
        return store_pb2.Snapshot(snapshot_hash=digest, content_json=content, checkout=checkout)

    async def GetOrder(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        return self.orders[request.order_id]

    async def BeginPlacing(self, request: Any, context: Any) -> store_pb2.Placing:  # noqa: N802  # the contract's
        order = self._step("begin", request)
        if self.refuses:
            raise _refusal(self.refuses)
        order.state = store_pb2.ORDER_STATE_PLACING
        return store_pb2.Placing(
            order_id=order.order_id, member_id=order.member_id, due=3300, means=store_pb2.MEANS_CARD
        )

    async def Authorise(self, request: Any, context: Any) -> store_pb2.PaymentView:  # noqa: N802  # the contract's
        self._step("authorise", request)
        if self.declines:
            return store_pb2.PaymentView(
                means=store_pb2.MEANS_CARD, state=store_pb2.PAYMENT_STATE_DECLINED, decline_code=self.declines
            )
        return store_pb2.PaymentView(means=store_pb2.MEANS_CARD, state=store_pb2.PAYMENT_STATE_AUTHORISED)

    async def ConfirmOrder(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        order = self._step("confirm", request)
        self.promised[request.order_id] = [request.dispatch_business_days]
        order.state, order.order_number = store_pb2.ORDER_STATE_PLACED, "1234567890"
        order.promised_dispatch_on.CopyFrom(Day(iso="2030-01-31"))
        return order

    async def AbandonPlacing(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        order = self._step("abandon", request)
        order.state = store_pb2.ORDER_STATE_CHECKOUT
        return order

    async def EnsureAuthorised(self, request: Any, context: Any) -> store_pb2.PaymentView:  # noqa: N802  # the contract's
        self._step("ensure", request)
        return store_pb2.PaymentView(means=store_pb2.MEANS_CARD, state=store_pb2.PAYMENT_STATE_AUTHORISED)

    async def CapturePayment(self, request: Any, context: Any) -> store_pb2.PaymentView:  # noqa: N802  # the contract's
        self._step("capture", request)
        return store_pb2.PaymentView(means=store_pb2.MEANS_CARD, state=store_pb2.PAYMENT_STATE_CAPTURED)

    async def CancelOrder(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        return self._step("cancel", request)

    async def MarkOrder(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        name = store_pb2.OrderState.Name(request.state).removeprefix("ORDER_STATE_").lower()
        return self._step(name, request)

    async def PromiseDispatch(self, request: Any, context: Any) -> store_pb2.Order:  # noqa: N802  # the contract's
        self.promised[request.order_id].append(request.business_days)
        return self._step("promise", request)

    async def IssueInvoice(self, request: Any, context: Any) -> store_pb2.Invoice:  # noqa: N802  # the contract's
        self._step("invoice", request)
        return store_pb2.Invoice()


def _refusal(code: str) -> RuumError:
    from services.chassis.errors import Kind, RemoteError  # noqa: PLC0415  # one use

    return RemoteError(Kind.REFUSED, code)
