"""Orders over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.invoices.servicer import invoice
from services.store.orders.domain import CancelOrder, MarkOrder, Orders, PromiseDispatch
from services.store.orders.models import LineView, OrderView, Totals
from services.store.payments.servicer import payment
from services.store.servicer import (
    Context,
    address,
    as_of,
    day,
    instant,
    local_text,
    number,
    page,
    recipient,
    stamp,
    word,
)


class OrdersServicer:
    orders: Orders
    yen_per_point: int

    async def GetOrder(self, request: store_pb2.GetOrderRequest, context: Context) -> store_pb2.Order:
        return order(await self.orders.get(caller(), request.order_id), self.yen_per_point)

    async def ListOrders(self, request: store_pb2.ListOrdersRequest, context: Context) -> store_pb2.ListOrdersResponse:
        listed = await self.orders.listed(caller(), page(request.page))
        shown = [order(view, self.yen_per_point) for view in listed.orders]
        return store_pb2.ListOrdersResponse(orders=shown, next_cursor=listed.next_cursor)

    async def MarkOrder(self, request: store_pb2.MarkOrderRequest, context: Context) -> store_pb2.Order:
        asked = MarkOrder(
            request_id=request.request_id,
            as_of=as_of(request),
            order_id=request.order_id,
            state=word(store_pb2.OrderState, request.state),
            happened_at=instant(request, "happened_at"),
            unclaimed=request.unclaimed,
        )
        return order(await self.orders.mark(caller(), asked), self.yen_per_point)

    async def PromiseDispatch(self, request: store_pb2.PromiseDispatchRequest, context: Context) -> store_pb2.Order:
        asked = PromiseDispatch(
            request_id=request.request_id,
            as_of=as_of(request),
            order_id=request.order_id,
            business_days=request.business_days,
        )
        return order(await self.orders.promise_dispatch(caller(), asked), self.yen_per_point)

    async def CancelOrder(self, request: store_pb2.CancelOrderRequest, context: Context) -> store_pb2.Order:
        asked = CancelOrder(
            request_id=request.request_id, as_of=as_of(request), order_id=request.order_id, reason=request.reason
        )
        return order(await self.orders.cancel(caller(), asked), self.yen_per_point)


def line(view: LineView) -> store_pb2.Line:
    own = view.model_dump(exclude={"name", "admits_points"})
    return store_pb2.Line(**own, name=local_text(view.name), amount=view.amount)


def totals(view: Totals, yen_per_point: int) -> store_pb2.Totals:
    own = view.model_dump(exclude={"earning_amount"})
    earned = view.earning_amount // yen_per_point
    return store_pb2.Totals(**own, points_yen=view.points, points_to_earn=earned)


def order(view: OrderView, yen_per_point: int) -> store_pb2.Order:
    return store_pb2.Order(
        **view.model_dump(
            include={
                "order_id",
                "order_number",
                "version",
                "member_id",
                "remarks",
                "calendar_version",
                "room_id",
                "attempt",
                "coupon_code",
                "cancel_reason",
            }
        ),
        state=number(store_pb2.OrderState, view.state),
        lines=map(line, view.lines),
        totals=totals(view.totals, yen_per_point),
        payment=payment(view.payment) if view.payment else None,
        invoice=invoice(view.invoice) if view.invoice else None,
        recipient=recipient(view.recipient),
        address=address(view.address),
        wish_date=day(view.wish_date),
        placed_at=stamp(view.placed_at),
        promised_dispatch_on=day(view.promised_on),
        dispatched_at=stamp(view.dispatched_at),
        delivered_at=stamp(view.delivered_at),
    )
