"""Operators' actions on a case: each one update, carried out by the service that owns the case (OP-02, SK-50)."""

from __future__ import annotations

from temporalio import workflow

from workflows.kit import OperatorAction
from workflows.sparekey_order.contract import (
    ACTIONS,
    AcceptKeyNumber,
    CarrierEvent,
    Decision,
    MarkDispatched,
)


class OperatorActions:
    """The updates that the Temporal UI offers; `_act` is the case's."""

    async def _act(self, action: str, given: OperatorAction) -> str:
        raise NotImplementedError

    @workflow.update(description=ACTIONS["accept_key_number"][1])
    async def accept_key_number(self, given: AcceptKeyNumber) -> str:
        return await self._act("accept_key_number", given)

    @workflow.update(description=ACTIONS["refuse_key_number"][1])
    async def refuse_key_number(self, given: OperatorAction) -> str:
        return await self._act("refuse_key_number", given)

    @workflow.update(description=ACTIONS["mark_arranged"][1])
    async def mark_arranged(self, given: OperatorAction) -> str:
        return await self._act("mark_arranged", given)

    @workflow.update(description=ACTIONS["mark_dispatched"][1])
    async def mark_dispatched(self, given: MarkDispatched) -> str:
        return await self._act("mark_dispatched", given)

    @workflow.update(description=ACTIONS["record_carrier_event"][1])
    async def record_carrier_event(self, given: CarrierEvent) -> str:
        return await self._act("record_carrier_event", given)

    @workflow.update(description=ACTIONS["order_redelivery"][1])
    async def order_redelivery(self, given: OperatorAction) -> str:
        return await self._act("order_redelivery", given)

    @workflow.update(description=ACTIONS["record_collected"][1])
    async def record_collected(self, given: OperatorAction) -> str:
        return await self._act("record_collected", given)

    @workflow.update(description=ACTIONS["release_dispatch"][1])
    async def release_dispatch(self, given: OperatorAction) -> str:
        return await self._act("release_dispatch", given)

    @workflow.update(description=ACTIONS["reject_dispatch"][1])
    async def reject_dispatch(self, given: OperatorAction) -> str:
        return await self._act("reject_dispatch", given)

    @workflow.update(description=ACTIONS["close_as_destroyed"][1])
    async def close_as_destroyed(self, given: OperatorAction) -> str:
        return await self._act("close_as_destroyed", given)

    @workflow.update(description=ACTIONS["decide"][1])
    async def decide(self, given: Decision) -> str:
        return await self._act("decide", given)

    @workflow.update(description=ACTIONS["try_again"][1])
    async def try_again(self, given: OperatorAction) -> str:
        return await self._act("try_again", given)
