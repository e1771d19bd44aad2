"""The store over gRPC (SK-26, SK-38)."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from ruum.common.v1.common_pb2 import Address as AddressMessage
from ruum.common.v1.common_pb2 import Page
from ruum.store.v1 import store_pb2 as pb
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import wire
from services.sparekey.ports import Address, Checkout, Order, Product, Snapshot

_CATEGORY = "spare-key"
_PAYABLE = frozenset({pb.PAYMENT_STATE_DECLINED, pb.PAYMENT_STATE_VOIDED})


class GrpcStore:
    """The store's messages of checkout, order and product are passed on as they are, beside what we read in them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._store = StoreServiceStub(channel)

    async def keys(self) -> list[Product]:
        asked = pb.ListProductsRequest(category=_CATEGORY, page=Page(size=100))
        listed = await self._store.ListProducts(asked)
        return [Product(product.sku, product) for product in listed.products]

    async def open_checkout(
        self, request_id: str, member_id: str, room_id: str, sku: str, quantity: int, address: Address
    ) -> Checkout:
        asked = pb.OpenKeyCheckoutRequest(
            request_id=request_id,
            member_id=member_id,
            room_id=room_id,
            sku=sku,
            quantity=quantity,
            address=AddressMessage(**address),
        )
        return _checkout(await self._store.OpenKeyCheckout(asked))

    async def checkout(self, order_id: str) -> Checkout:
        return _checkout(await self._store.GetCheckout(pb.GetCheckoutRequest(order_id=order_id)))

    async def drop_checkout(self, request_id: str, order_id: str, member_id: str) -> None:
        asked = pb.DropCheckoutRequest(request_id=request_id, order_id=order_id, member_id=member_id)
        await self._store.DropCheckout(asked)

    async def snapshot(
        self,
        request_id: str,
        order_id: str,
        member_id: str,
        facts: Mapping[str, str],
        language: str,
        address: Address,
    ) -> Snapshot:
        asked = pb.TakeSnapshotRequest(
            request_id=request_id,
            order_id=order_id,
            member_id=member_id,
            flow_facts=dict(facts),
            language=language,
            address=AddressMessage(**address),
        )
        taken = await self._store.TakeSnapshot(asked)
        return Snapshot(taken.snapshot_hash, _checkout(taken.checkout))

    async def order(self, order_id: str) -> Order:
        order = await self._store.GetOrder(pb.GetOrderRequest(order_id=order_id))
        payment = order.payment
        awaited = payment.state == pb.PAYMENT_STATE_REQUIRES_ACTION
        return Order(
            order_number=order.order_number,
            wish_date=wire.day(order, "wish_date"),
            promised_on=wire.day(order, "promised_dispatch_on"),
            recipient={
                "name": order.recipient.name,
                "kana": order.recipient.kana,
                "phone": order.recipient.phone,
            },
            means_wanted=payment.state in _PAYABLE,
            payer_awaited_until=wire.instant(payment, "action_until") if awaited else None,
            shown=order,
        )


def _checkout(message: pb.Checkout) -> Checkout:
    return Checkout(message.order_id, message.member_id, wire.day(message, "wish_date"), message)
