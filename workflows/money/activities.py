"""The steps of the money as calls to store and points; each carries its request id, so that repeating is harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temporalio import activity

from ruum.points.v1 import points_pb2
from ruum.store.v1 import store_pb2
from workflows import wire
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
    PointsPart,
    PromiseDispatch,
    ReleasePoints,
    WithReason,
)

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub


class MoneyActivities:
    """Holds the stubs of the services that own the money."""

    def __init__(self, store: StoreServiceAsyncStub, points: PointsServiceAsyncStub) -> None:
        self._store = store
        self._points = points

    def all(self) -> list[Callable[..., Any]]:
        """What the worker registers."""
        return [
            self.begin,
            self.hold,
            self.authorise,
            self.confirm,
            self.abandon,
            self.release,
            self.give_back,
            self.ensure,
            self.capture_points,
            self.capture,
            self.cancel,
            self.mark,
            self.promise,
            self.invoice,
        ]

    @activity.defn(name=steps.BEGIN.name)
    async def begin(self, given: BeginPlacing) -> Placing:
        request = store_pb2.BeginPlacingRequest(
            **_order(given),
            attempt=given.attempt,
            snapshot_hash=given.snapshot_hash,
            terms_version=given.terms_version,
            cancellation_version=given.cancellation_version,
        )
        begun = await self._store.BeginPlacing(request)
        return Placing.model_validate(
            {
                "member_id": begun.member_id,
                "points": begun.points,
                "points_parts": [PointsPart(line_id=part.line_id, points=part.points) for part in begun.points_parts],
                "due": begun.due,
                "means": wire.word(store_pb2.Means, begun.means),
            }
        )

    @activity.defn(name=steps.HOLD.name)
    async def hold(self, given: HoldPoints) -> Done:
        parts = [points_pb2.HoldPart(part_id=part.line_id, points=part.points) for part in given.parts]
        await self._points.Hold(
            points_pb2.HoldRequest(**_order(given), attempt=given.attempt, member_id=given.member_id, parts=parts)
        )
        return Done()

    @activity.defn(name=steps.AUTHORISE.name)
    async def authorise(self, given: OrderStep) -> Payment:
        return _payment(await self._store.Authorise(store_pb2.AuthoriseRequest(**_order(given), attempt=given.attempt)))

    @activity.defn(name=steps.CONFIRM.name)
    async def confirm(self, given: ConfirmOrder) -> Confirmed:
        request = store_pb2.ConfirmOrderRequest(
            **_order(given), attempt=given.attempt, dispatch_business_days=given.dispatch_business_days
        )
        order = await self._store.ConfirmOrder(request)
        return Confirmed(order_number=order.order_number, promised_dispatch_on=order.promised_dispatch_on.iso)

    @activity.defn(name=steps.ABANDON.name)
    async def abandon(self, given: WithReason) -> Done:
        request = store_pb2.AbandonPlacingRequest(**_order(given), attempt=given.attempt, reason=given.reason)
        await self._store.AbandonPlacing(request)
        return Done()

    @activity.defn(name=steps.RELEASE.name)
    async def release(self, given: ReleasePoints) -> Done:
        request = points_pb2.ReleaseRequest(**_order(given), attempt=given.attempt, reissue_lapsed=given.reissue_lapsed)
        await self._points.Release(request)
        return Done()

    @activity.defn(name=steps.GIVE_BACK.name)
    async def give_back(self, given: GiveBackPoints) -> Done:
        for part in given.parts:
            request = points_pb2.GiveBackRequest(
                **_order(given) | {"request_id": f"{given.request_id}/{part.line_id}"},
                attempt=given.attempt,
                part_id=part.line_id,
                points=part.points,
                reissue_lapsed=given.reissue_lapsed,
            )
            await self._points.GiveBack(request)
        return Done()

    @activity.defn(name=steps.ENSURE.name)
    async def ensure(self, given: OrderStep) -> Payment:
        return _payment(await self._store.EnsureAuthorised(store_pb2.EnsureAuthorisedRequest(**_order(given))))

    @activity.defn(name=steps.CAPTURE_POINTS.name)
    async def capture_points(self, given: OrderStep) -> Done:
        await self._points.Capture(points_pb2.CaptureRequest(**_order(given), attempt=given.attempt))
        return Done()

    @activity.defn(name=steps.CAPTURE.name)
    async def capture(self, given: OrderStep) -> Payment:
        return _payment(await self._store.CapturePayment(store_pb2.CapturePaymentRequest(**_order(given))))

    @activity.defn(name=steps.CANCEL.name)
    async def cancel(self, given: WithReason) -> Done:
        await self._store.CancelOrder(store_pb2.CancelOrderRequest(**_order(given), reason=given.reason))
        return Done()

    @activity.defn(name=steps.MARK.name)
    async def mark(self, given: MarkOrder) -> Done:
        request = store_pb2.MarkOrderRequest(
            **_order(given),
            state=wire.value(store_pb2.OrderState, given.state),  # type: ignore[arg-type]  # an enum's number
            happened_at=wire.stamp(given.happened_at),
            unclaimed=given.unclaimed,
        )
        await self._store.MarkOrder(request)
        return Done()

    @activity.defn(name=steps.PROMISE.name)
    async def promise(self, given: PromiseDispatch) -> Done:
        request = store_pb2.PromiseDispatchRequest(**_order(given), business_days=given.business_days)
        await self._store.PromiseDispatch(request)
        return Done()

    @activity.defn(name=steps.INVOICE.name)
    async def invoice(self, given: OrderStep) -> Done:
        await self._store.IssueInvoice(store_pb2.IssueInvoiceRequest(**_order(given)))
        return Done()


def _order(given: OrderStep) -> dict[str, Any]:
    return {"request_id": given.request_id, "as_of": wire.stamp(given.as_of), "order_id": given.order_id}


def _payment(view: store_pb2.PaymentView) -> Payment:
    return Payment.model_validate(
        {
            "state": wire.word(store_pb2.PaymentState, view.state),
            "means": wire.word(store_pb2.Means, view.means),
            "decline_code": view.decline_code,
            "redirect_url": view.redirect_url,
            "action_until": wire.instant(view, "action_until"),
            "authorised_until": wire.instant(view, "authorised_until"),
        }
    )
