"""Checkouts over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.common.v1 import common_pb2
from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.checkout.domain import Checkouts, DropCheckout, OpenKeyCheckout, TakeSnapshot, UpdateCheckout
from services.store.checkout.models import CheckoutView
from services.store.models import Recipient
from services.store.orders.servicer import line, totals
from services.store.servicer import Context, address, day, number, read_address, recipient, word


class CheckoutServicer:
    checkouts: Checkouts
    yen_per_point: int

    async def GetCheckout(self, request: store_pb2.GetCheckoutRequest, context: Context) -> store_pb2.Checkout:
        return self._checkout(await self.checkouts.get(caller(), request.order_id))

    async def OpenKeyCheckout(self, request: store_pb2.OpenKeyCheckoutRequest, context: Context) -> store_pb2.Checkout:
        asked = OpenKeyCheckout(
            request_id=request.request_id,
            member_id=request.member_id,
            room_id=request.room_id,
            sku=request.sku,
            quantity=request.quantity,
            address=read_address(request.address),
        )
        return self._checkout(await self.checkouts.open_key(caller(), asked))

    async def UpdateCheckout(self, request: store_pb2.UpdateCheckoutRequest, context: Context) -> store_pb2.Checkout:
        return self._checkout(await self.checkouts.update(caller(), _update(request)))

    async def DropCheckout(
        self, request: store_pb2.DropCheckoutRequest, context: Context
    ) -> store_pb2.DropCheckoutResponse:
        asked = DropCheckout(request_id=request.request_id, order_id=request.order_id, member_id=request.member_id)
        await self.checkouts.drop(caller(), asked)
        return store_pb2.DropCheckoutResponse()

    async def TakeSnapshot(self, request: store_pb2.TakeSnapshotRequest, context: Context) -> store_pb2.Snapshot:
        asked = TakeSnapshot(
            request_id=request.request_id,
            order_id=request.order_id,
            member_id=request.member_id,
            flow_facts=dict(request.flow_facts),
            language=request.language,
            address=read_address(request.address),
        )
        taken = await self.checkouts.take_snapshot(caller(), asked)
        return store_pb2.Snapshot(
            snapshot_hash=taken.snapshot_hash, content_json=taken.content, checkout=self._checkout(taken.checkout)
        )

    def _checkout(self, view: CheckoutView) -> store_pb2.Checkout:
        return store_pb2.Checkout(
            **view.model_dump(
                include={
                    "order_id",
                    "version",
                    "member_id",
                    "room_id",
                    "points_some",
                    "points_available",
                    "coupon_code",
                    "keep_card",
                    "remarks",
                    "notices",
                }
            ),
            state=number(store_pb2.OrderState, view.state),
            lines=map(line, view.lines),
            totals=totals(view.totals, self.yen_per_point),
            points_choice=number(store_pb2.PointsChoice, view.points_choice),
            means=number(store_pb2.Means, view.means),
            card_id=view.card.card_id if view.card else "",
            card_brand=view.card.brand if view.card else "",
            card_last4=view.card.last4 if view.card else "",
            invoice_to=number(store_pb2.InvoiceTo, view.invoice_to),
            recipient=recipient(view.recipient),
            address=address(view.address),
            wish_date=day(view.wish_date),
            means_offered=[number(store_pb2.Means, means) for means in view.means_offered],
            wish_dates_offered=(common_pb2.Day(iso=one.isoformat()) for one in view.wish_dates_offered),
            expected_dispatch_on=day(view.expected_dispatch_on),
        )


_PLAIN = {"points_some", "coupon_code", "card_id", "keep_card", "wish_date", "remarks"}


def _update(request: store_pb2.UpdateCheckoutRequest) -> UpdateCheckout:
    """What is present is to be changed."""
    plain = {field.name for field, _ in request.ListFields()} & _PLAIN
    words = {"points_choice": store_pb2.PointsChoice, "means": store_pb2.Means, "invoice_to": store_pb2.InvoiceTo}
    given = {name: getattr(request, name) for name in plain}
    given |= {name: word(kinds, getattr(request, name)) for name, kinds in words.items() if getattr(request, name)}
    if request.HasField("recipient"):
        person = request.recipient
        given["recipient"] = Recipient(name=person.name, kana=person.kana, phone=person.phone)
    return UpdateCheckout(request_id=request.request_id, order_id=request.order_id, version=request.version, **given)
