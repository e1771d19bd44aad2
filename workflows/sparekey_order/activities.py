"""The steps of the key's case as calls to sparekey; each carries its request id, so that repeating is harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temporalio import activity

from ruum.sparekey.v1 import sparekey_pb2
from workflows import wire
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.contract import (
    Abandoned,
    Acted,
    Because,
    Case,
    CaseRef,
    CaseStep,
    CheckRound,
    CloseCase,
    Redelivery,
    Reminder,
)

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceAsyncStub


class SparekeyActivities:
    """Holds the stub of the service that owns the case."""

    def __init__(self, sparekey: SparekeyServiceAsyncStub) -> None:
        self._sparekey = sparekey

    def all(self) -> list[Callable[..., Any]]:
        """What the worker registers."""
        return [
            self.get,
            self.confirm,
            self.abandon,
            self.check,
            self.expire,
            self.order_keys,
            self.check_dispatch,
            self.release,
            self.redeliver,
            self.stop,
            self.remind,
            self.call_operator,
            self.close,
            self.act,
        ]

    @activity.defn(name=steps.GET.name)
    async def get(self, given: CaseRef) -> Case:
        return _case(await self._sparekey.GetCase(sparekey_pb2.GetCaseRequest(order_id=given.order_id)))

    @activity.defn(name=steps.CONFIRM.name)
    async def confirm(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.ConfirmPlaced(sparekey_pb2.ConfirmPlacedRequest(**_step(given))))

    @activity.defn(name=steps.ABANDON.name)
    async def abandon(self, given: Abandoned) -> Case:
        request = sparekey_pb2.AbandonPlacedRequest(**_step(given), reason=given.reason, attempt=given.attempt)
        return _case(await self._sparekey.AbandonPlaced(request))

    @activity.defn(name=steps.CHECK.name)
    async def check(self, given: CheckRound) -> Case:
        request = sparekey_pb2.RequestCheckRequest(**_step(given), check_round=given.check_round)
        return _case(await self._sparekey.RequestCheck(request))

    @activity.defn(name=steps.EXPIRE.name)
    async def expire(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.ExpireIfWaiting(sparekey_pb2.ExpireIfWaitingRequest(**_step(given))))

    @activity.defn(name=steps.ORDER_KEYS.name)
    async def order_keys(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.OrderKeys(sparekey_pb2.OrderKeysRequest(**_step(given))))

    @activity.defn(name=steps.CHECK_DISPATCH.name)
    async def check_dispatch(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.CheckDispatch(sparekey_pb2.CheckDispatchRequest(**_step(given))))

    @activity.defn(name=steps.RELEASE.name)
    async def release(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.ReleaseDispatch(sparekey_pb2.ReleaseDispatchRequest(**_step(given))))

    @activity.defn(name=steps.REDELIVER.name)
    async def redeliver(self, given: Redelivery) -> Case:
        request = sparekey_pb2.DispatchRedeliveryRequest(**_step(given), redelivery=given.redelivery)
        return _case(await self._sparekey.DispatchRedelivery(request))

    @activity.defn(name=steps.STOP.name)
    async def stop(self, given: CaseStep) -> Case:
        return _case(await self._sparekey.StopAtMaker(sparekey_pb2.StopAtMakerRequest(**_step(given))))

    @activity.defn(name=steps.REMIND.name)
    async def remind(self, given: Reminder) -> Case:
        request = sparekey_pb2.RemindMemberRequest(
            **_step(given), reminder=given.reminder, days=given.days, redelivery=given.redelivery
        )
        return _case(await self._sparekey.RemindMember(request))

    @activity.defn(name=steps.CALL_OPERATOR.name)
    async def call_operator(self, given: Because) -> Case:
        request = sparekey_pb2.CallOperatorRequest(**_step(given), problem=given.reason)
        return _case(await self._sparekey.CallOperator(request))

    @activity.defn(name=steps.CLOSE.name)
    async def close(self, given: CloseCase) -> Case:
        state = wire.value(sparekey_pb2.CaseState, given.state)
        request = sparekey_pb2.CloseCaseRequest(
            **_step(given),
            state=state,  # type: ignore[arg-type]  # an enum's number
            reason=given.reason,
        )
        return _case(await self._sparekey.CloseCase(request))

    @activity.defn(name=steps.ACT.name)
    async def act(self, given: Acted) -> Case:
        request = sparekey_pb2.ActAsOperatorRequest(
            **_step(given),
            operator=given.operator,
            reason=given.reason,
            action=given.action,
            arguments=given.arguments,
        )
        return _case(await self._sparekey.ActAsOperator(request))


def _step(given: CaseStep) -> dict[str, Any]:
    return {"request_id": given.request_id, "as_of": wire.stamp(given.as_of), "order_id": given.order_id}


def _case(view: sparekey_pb2.Case) -> Case:
    return Case.model_validate(
        {
            "version": view.version,
            "state": wire.word(sparekey_pb2.CaseState, view.state),
            "deadline": wire.instant(view, "deadline"),
            "patience_until": wire.instant(view, "patience_until"),
            "remind_at": wire.instant(view, "remind_at"),
            "reminder": view.reminder,
            "reminder_days": view.reminder_days,
            "check_round": view.check_round,
            "redelivery": view.redelivery,
            "needs_operator": view.needs_operator,
            "reason": view.reason,
            "look_due": view.look_due,
            "arranged_at": wire.instant(view, "arranged_at"),
            "dispatched_at": wire.instant(view, "dispatched_at"),
            "handed_over_at": wire.instant(view, "handed_over_at"),
        }
    )
