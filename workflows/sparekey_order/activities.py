"""The steps of the key's case as calls to sparekey; each carries its request id, so that repeating is harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from ruum.sparekey.v1 import sparekey_pb2 as pb
from services.chassis import wire
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

    @activity.defn(name=steps.GET.name)
    async def get(self, given: CaseRef) -> Case:
        return wire.read(Case, await self._sparekey.GetCase(wire.write(pb.GetCaseRequest, given)))

    @activity.defn(name=steps.CONFIRM.name)
    async def confirm(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.ConfirmPlaced(wire.write(pb.ConfirmPlacedRequest, given)))

    @activity.defn(name=steps.ABANDON.name)
    async def abandon(self, given: Abandoned) -> Case:
        return wire.read(Case, await self._sparekey.AbandonPlaced(wire.write(pb.AbandonPlacedRequest, given)))

    @activity.defn(name=steps.CHECK.name)
    async def check(self, given: CheckRound) -> Case:
        return wire.read(Case, await self._sparekey.RequestCheck(wire.write(pb.RequestCheckRequest, given)))

    @activity.defn(name=steps.EXPIRE.name)
    async def expire(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.ExpireIfWaiting(wire.write(pb.ExpireIfWaitingRequest, given)))

    @activity.defn(name=steps.ORDER_KEYS.name)
    async def order_keys(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.OrderKeys(wire.write(pb.OrderKeysRequest, given)))

    @activity.defn(name=steps.CHECK_DISPATCH.name)
    async def check_dispatch(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.CheckDispatch(wire.write(pb.CheckDispatchRequest, given)))

    @activity.defn(name=steps.RELEASE.name)
    async def release(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.ReleaseDispatch(wire.write(pb.ReleaseDispatchRequest, given)))

    @activity.defn(name=steps.REDELIVER.name)
    async def redeliver(self, given: Redelivery) -> Case:
        request = wire.write(pb.DispatchRedeliveryRequest, given)
        return wire.read(Case, await self._sparekey.DispatchRedelivery(request))

    @activity.defn(name=steps.STOP.name)
    async def stop(self, given: CaseStep) -> Case:
        return wire.read(Case, await self._sparekey.StopAtMaker(wire.write(pb.StopAtMakerRequest, given)))

    @activity.defn(name=steps.REMIND.name)
    async def remind(self, given: Reminder) -> Case:
        return wire.read(Case, await self._sparekey.RemindMember(wire.write(pb.RemindMemberRequest, given)))

    @activity.defn(name=steps.CALL_OPERATOR.name)
    async def call_operator(self, given: Because) -> Case:
        request = wire.write(pb.CallOperatorRequest, given, problem=given.reason)
        return wire.read(Case, await self._sparekey.CallOperator(request))

    @activity.defn(name=steps.CLOSE.name)
    async def close(self, given: CloseCase) -> Case:
        return wire.read(Case, await self._sparekey.CloseCase(wire.write(pb.CloseCaseRequest, given)))

    @activity.defn(name=steps.ACT.name)
    async def act(self, given: Acted) -> Case:
        return wire.read(Case, await self._sparekey.ActAsOperator(wire.write(pb.ActAsOperatorRequest, given)))
