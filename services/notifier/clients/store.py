"""What was ordered, from the store, at the moment of writing (OP-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruum.store.v1 import store_pb2 as pb
from services.notifier.ports import Line, Purchase
from services.texts import Language

if TYPE_CHECKING:
    # Only the stubs of types know it.
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub

_MEANS = {pb.MEANS_CARD: "card", pb.MEANS_DEFERRED: "deferred", pb.MEANS_EPOS: "epos", pb.MEANS_NONE: "none"}
_ALWAYS = {"goods", "shipping", "due"}


class StoreClient:
    def __init__(self, store: StoreServiceAsyncStub) -> None:
        self._store = store

    async def purchase(self, order_id: str) -> Purchase:
        order = await self._store.GetOrder(pb.GetOrderRequest(order_id=order_id))
        facts: dict[str, str | int] = {"order_number": order.order_number, "coupon_code": order.coupon_code}
        if order.HasField("promised_dispatch_on"):
            facts["promised_dispatch_on"] = order.promised_dispatch_on.iso
        if order.payment.means in _MEANS:
            facts["means"] = _MEANS[order.payment.means]
        sums = {field.name: getattr(order.totals, field.name) for field in order.totals.DESCRIPTOR.fields}
        facts |= {name: yen for name, yen in sums.items() if yen or name in _ALWAYS}
        return Purchase({name: fact for name, fact in facts.items() if fact != ""}, tuple(map(_line, order.lines)))


def _line(line: pb.Line) -> Line:
    name: dict[Language, str] = {"ja": line.name.ja, "en": line.name.en, "zh_Hans": line.name.zh_hans}
    return Line(name, line.quantity, line.unit_price, line.amount)
