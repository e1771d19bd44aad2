"""The order's process: placed by one update that starts it where it does not run (SK-27, OP-06)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from services.chassis.clock import Clock
from services.chassis.errors import Kind, RemoteError
from services.chassis.processes import ahead, found_by
from services.sparekey.ports import Answer, Placing
from workflows.sparekey_order import contract
from workflows.sparekey_order.contract import Place, PlaceAnswer, StartOrder

_log = structlog.get_logger()

# The run of the try before has answered and is about to end.
_ENDING = "order-being-placed"
_AGAIN_AFTER = 0.2
_PENDING = Answer("pending")


class KeyProcesses:
    """Places orders through their workflows.

    Args:
        clock: the service's; how far it is moved goes into the process (PR-05).
        dispatch_business_days: in how many a key is promised to leave (SK-28).
    """

    def __init__(self, temporal: Client, clock: Clock, dispatch_business_days: int) -> None:
        self._temporal = temporal
        self._clock = clock
        self._dispatch_business_days = dispatch_business_days

    async def place(self, placing: Placing, patience: timedelta) -> Answer:
        """Has the order placed. What is not known in time is pending: the outbox makes sure of it.

        Raises:
            RemoteError: refused, by the name that the failure was given.
        """
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return Answer(**(await self._placed(placing, patience)).model_dump())
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError, RuntimeError) as failure:
            _log.warning("placing goes on alone", order_id=placing.order_id, kind=type(failure).__name__)
            return _PENDING

    async def _placed(self, placing: Placing, patience: timedelta) -> PlaceAnswer:
        tried = Place(
            attempt=placing.attempt,
            snapshot_hash=placing.snapshot_hash,
            terms_version=placing.terms_version,
            cancellation_version=placing.cancellation_version,
            dispatch_business_days=self._dispatch_business_days,
        )
        while True:
            try:
                answer: PlaceAnswer = await self._temporal.execute_update_with_start_workflow(
                    contract.PLACE,
                    tried,
                    id=f"{contract.PLACE}-{placing.attempt}",
                    start_workflow_operation=self._start(placing),
                    result_type=PlaceAnswer,
                    rpc_timeout=patience,
                )
            except WorkflowUpdateFailedError as failure:
                code = _code(failure)
                if code != _ENDING:
                    raise RemoteError(Kind.REFUSED, code) from None
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                return answer

    def _start(self, placing: Placing) -> WithStartWorkflowOperation[Any, Any]:
        keywords = {
            "Case": contract.WORKFLOW,
            "State": "placing",
            "MemberId": placing.member_id,
            "RoomId": placing.room_id,
            "OrderId": placing.order_id,
        }
        return WithStartWorkflowOperation(
            contract.WORKFLOW,
            StartOrder(
                clock_ahead_seconds=ahead(self._clock),
                order_id=placing.order_id,
                member_id=placing.member_id,
                room_id=placing.room_id,
            ),
            id=contract.workflow_id(placing.order_id),
            task_queue=contract.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=found_by(keywords),
            static_summary=f"スペアキー spare key · {placing.order_id}",
        )


def _code(failure: WorkflowUpdateFailedError) -> str:
    """The failure's name: the code of the service that refused."""
    cause = failure.cause
    return cause.type if isinstance(cause, ApplicationError) and cause.type else "try-again"
