"""Placing over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.orders.servicer import order
from services.store.placing.domain import AbandonPlacing, BeginPlacing, ConfirmOrder, Placings
from services.store.servicer import Context, as_of, number


class PlacingServicer:
    placings: Placings
    yen_per_point: int

    async def BeginPlacing(self, request: store_pb2.BeginPlacingRequest, context: Context) -> store_pb2.Placing:
        asked = BeginPlacing(
            request_id=request.request_id,
            as_of=as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            snapshot_hash=request.snapshot_hash,
            terms_version=request.terms_version,
            cancellation_version=request.cancellation_version,
        )
        begun = await self.placings.begin(caller(), asked)
        return store_pb2.Placing(
            **begun.model_dump(exclude={"points_parts", "means"}),
            points_parts=[store_pb2.PointsPart(**part.model_dump()) for part in begun.points_parts],
            means=number(store_pb2.Means, begun.means),
        )

    async def ConfirmOrder(self, request: store_pb2.ConfirmOrderRequest, context: Context) -> store_pb2.Order:
        asked = ConfirmOrder(
            request_id=request.request_id,
            as_of=as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            dispatch_business_days=request.dispatch_business_days,
        )
        return order(await self.placings.confirm(caller(), asked), self.yen_per_point)

    async def AbandonPlacing(self, request: store_pb2.AbandonPlacingRequest, context: Context) -> store_pb2.Order:
        asked = AbandonPlacing(
            request_id=request.request_id,
            as_of=as_of(request),
            order_id=request.order_id,
            attempt=request.attempt,
            reason=request.reason,
        )
        return order(await self.placings.abandon(caller(), asked), self.yen_per_point)
