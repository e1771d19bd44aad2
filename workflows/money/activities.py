"""The steps of the money as calls to store and points; each carries its request id, so that repeating is harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from ruum.points.v1 import points_pb2
from ruum.store.v1 import store_pb2
from services.chassis import wire
from workflows.money import contract as steps
from workflows.money.contract import (
    BeginPlacing,
    Confirmed,
    ConfirmOrder,
    Done,
    GiveBackPoints,
    HoldPoints,
    MarkOrder,
    OrderStep,
    Payment,
    Placing,
    PromiseDispatch,
    ReleasePoints,
    WithReason,
)

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub

_ALL: tuple[str, ...] = ()
"""Points are captured and released whole; a hold has parts so that some of them can be given back later."""


class MoneyActivities:
    """Holds the stubs of the services that own the money."""

    def __init__(self, store: StoreServiceAsyncStub, points: PointsServiceAsyncStub) -> None:
        self._store = store
        self._points = points

    @activity.defn(name=steps.BEGIN.name)
    async def begin(self, given: BeginPlacing) -> Placing:
        begun = await self._store.BeginPlacing(wire.write(store_pb2.BeginPlacingRequest, given))
        return wire.read(Placing, begun)

    @activity.defn(name=steps.HOLD.name)
    async def hold(self, given: HoldPoints) -> Done:
        await self._points.Hold(wire.write(points_pb2.HoldRequest, given))
        return Done()

    @activity.defn(name=steps.AUTHORISE.name)
    async def authorise(self, given: OrderStep) -> Payment:
        return wire.read(Payment, await self._store.Authorise(wire.write(store_pb2.AuthoriseRequest, given)))

    @activity.defn(name=steps.CONFIRM.name)
    async def confirm(self, given: ConfirmOrder) -> Confirmed:
        return wire.read(Confirmed, await self._store.ConfirmOrder(wire.write(store_pb2.ConfirmOrderRequest, given)))

    @activity.defn(name=steps.ABANDON.name)
    async def abandon(self, given: WithReason) -> Done:
        await self._store.AbandonPlacing(wire.write(store_pb2.AbandonPlacingRequest, given))
        return Done()

    @activity.defn(name=steps.RELEASE.name)
    async def release(self, given: ReleasePoints) -> Done:
        await self._points.Release(wire.write(points_pb2.ReleaseRequest, given, part_ids=_ALL))
        return Done()

    @activity.defn(name=steps.GIVE_BACK.name)
    async def give_back(self, given: GiveBackPoints) -> Done:
        for part in given.parts:
            key = f"{given.request_id}/{part.line_id}"
            request = wire.write(
                points_pb2.GiveBackRequest, given, request_id=key, part_id=part.part_id, points=part.points
            )
            await self._points.GiveBack(request)
        return Done()

    @activity.defn(name=steps.ENSURE.name)
    async def ensure(self, given: OrderStep) -> Payment:
        request = wire.write(store_pb2.EnsureAuthorisedRequest, given)
        return wire.read(Payment, await self._store.EnsureAuthorised(request))

    @activity.defn(name=steps.CAPTURE_POINTS.name)
    async def capture_points(self, given: OrderStep) -> Done:
        await self._points.Capture(wire.write(points_pb2.CaptureRequest, given, part_ids=_ALL))
        return Done()

    @activity.defn(name=steps.CAPTURE.name)
    async def capture(self, given: OrderStep) -> Payment:
        return wire.read(Payment, await self._store.CapturePayment(wire.write(store_pb2.CapturePaymentRequest, given)))

    @activity.defn(name=steps.CANCEL.name)
    async def cancel(self, given: WithReason) -> Done:
        await self._store.CancelOrder(wire.write(store_pb2.CancelOrderRequest, given))
        return Done()

    @activity.defn(name=steps.MARK.name)
    async def mark(self, given: MarkOrder) -> Done:
        await self._store.MarkOrder(wire.write(store_pb2.MarkOrderRequest, given))
        return Done()

    @activity.defn(name=steps.PROMISE.name)
    async def promise(self, given: PromiseDispatch) -> Done:
        await self._store.PromiseDispatch(wire.write(store_pb2.PromiseDispatchRequest, given))
        return Done()

    @activity.defn(name=steps.INVOICE.name)
    async def invoice(self, given: OrderStep) -> Done:
        await self._store.IssueInvoice(wire.write(store_pb2.IssueInvoiceRequest, given))
        return Done()
