"""What was ordered, from the store, at the moment of writing (OP-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruum.store.v1 import store_pb2 as pb
from services.chassis import wire
from services.notifier.ports import Line, Purchase
from services.texts import Language

if TYPE_CHECKING:
    # Only the stubs of types know it.
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub

_ALWAYS = {"goods", "shipping", "due"}
"""Sums that are shown also where they are nothing."""


class StoreClient:
    def __init__(self, store: StoreServiceAsyncStub) -> None:
        self._store = store

    async def purchase(self, order_id: str) -> Purchase:
        order = await self._store.GetOrder(pb.GetOrderRequest(order_id=order_id))
        words = {
            "order_number": order.order_number,
            "coupon_code": order.coupon_code,
            "means": wire.word(pb.Means, order.payment.means),
            "promised_dispatch_on": order.promised_dispatch_on.iso,
        }
        sums = {field.name: getattr(order.totals, field.name) for field in order.totals.DESCRIPTOR.fields}
        facts = {name: fact for name, fact in (words | sums).items() if fact or name in _ALWAYS}
        return Purchase(facts, tuple(_line(line) for line in order.lines))


def _line(line: pb.Line) -> Line:
    name: dict[Language, str] = {"ja": line.name.ja, "en": line.name.en, "zh_Hans": line.name.zh_hans}
    return Line(name, line.quantity, line.unit_price, line.amount)
