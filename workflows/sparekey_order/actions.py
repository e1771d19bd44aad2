"""Operators' actions on a case: each one update, carried out by the service that owns the case (OP-02, SK-50)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from temporalio import workflow

from workflows.kit import OperatorAction
from workflows.sparekey_order.contract import CaseState


@dataclass(frozen=True)
class Action:
    """What the Temporal UI says of an action.

    Attributes:
        says: what it does.
        states: those in which the case's details offer it; the desk allows it in the same.
    """

    says: str
    states: tuple[CaseState, ...] = ()


TRY_AGAIN = "try_again"
"""Offered whenever a problem is shown."""
ACTIONS: dict[str, Action] = {
    "accept_key_number": Action(
        "Accept the key number entered at the desk, by its reference", ("checking", "number-asked")
    ),
    "mark_arranged": Action("The maker has taken the order of the keys", ("accepted",)),
    "refuse_key_number": Action("The number given does not exist", ("checking", "accepted")),
    "mark_dispatched": Action("The maker has dispatched, with tracking number", ("released", "redelivering")),
    "release_dispatch": Action("Release a stopped dispatch: needs two different operators", ("stopped",)),
    "reject_dispatch": Action("Reject a stopped dispatch and cancel: needs two different operators", ("stopped",)),
    "order_redelivery": Action("Order redelivery on the customer's behalf: 935 yen, cash on delivery", ("returned",)),
    "close_as_destroyed": Action("The key was destroyed: close without refund", ("returned", "stopped")),
    "decide": Action("Remake or refund a lost key", ("lost", "stopped")),
    "record_carrier_event": Action("What post or carrier reported", ("dispatched", "absent", "redelivering", "lost")),
    "record_collected": Action("The 935 yen were collected", ("absent", "redelivering", "handed-over")),
    TRY_AGAIN: Action("The problem is mended: go on with the step that failed"),
}
"""In the order in which they are offered."""


class AcceptKeyNumber(OperatorAction):
    reference: str = Field(pattern=r"^ref_[0-9a-z]{26}$", description="what `ruum desk key-number` gave for the number")


class MarkDispatched(OperatorAction):
    tracking_number: str = Field(pattern=r"^[0-9A-Z-]{8,24}$")


class CarrierEvent(OperatorAction):
    event: Literal["handed-over", "absent", "held", "returned", "redirected", "lost", "scanned"]


class Decision(OperatorAction):
    """A lost key is made again or paid back; a stopped dispatch of a dead lease is paid back or not."""

    decision: Literal["remake", "refund", "no-refund"]


class OperatorActions:
    """The updates that the Temporal UI offers; `_act` is the case's."""

    # Written out, not made of the table: Temporal reads an update's input off the annotations of its method, and a
    # handler that is set at run time has no description in the UI.

    async def _act(self, action: str, given: OperatorAction) -> str:
        raise NotImplementedError

    @workflow.update(description=ACTIONS["accept_key_number"].says)
    async def accept_key_number(self, given: AcceptKeyNumber) -> str:
        return await self._act("accept_key_number", given)

    @workflow.update(description=ACTIONS["mark_arranged"].says)
    async def mark_arranged(self, given: OperatorAction) -> str:
        return await self._act("mark_arranged", given)

    @workflow.update(description=ACTIONS["refuse_key_number"].says)
    async def refuse_key_number(self, given: OperatorAction) -> str:
        return await self._act("refuse_key_number", given)

    @workflow.update(description=ACTIONS["mark_dispatched"].says)
    async def mark_dispatched(self, given: MarkDispatched) -> str:
        return await self._act("mark_dispatched", given)

    @workflow.update(description=ACTIONS["release_dispatch"].says)
    async def release_dispatch(self, given: OperatorAction) -> str:
        return await self._act("release_dispatch", given)

    @workflow.update(description=ACTIONS["reject_dispatch"].says)
    async def reject_dispatch(self, given: OperatorAction) -> str:
        return await self._act("reject_dispatch", given)

    @workflow.update(description=ACTIONS["order_redelivery"].says)
    async def order_redelivery(self, given: OperatorAction) -> str:
        return await self._act("order_redelivery", given)

    @workflow.update(description=ACTIONS["close_as_destroyed"].says)
    async def close_as_destroyed(self, given: OperatorAction) -> str:
        return await self._act("close_as_destroyed", given)

    @workflow.update(description=ACTIONS["decide"].says)
    async def decide(self, given: Decision) -> str:
        return await self._act("decide", given)

    @workflow.update(description=ACTIONS["record_carrier_event"].says)
    async def record_carrier_event(self, given: CarrierEvent) -> str:
        return await self._act("record_carrier_event", given)

    @workflow.update(description=ACTIONS["record_collected"].says)
    async def record_collected(self, given: OperatorAction) -> str:
        return await self._act("record_collected", given)

    @workflow.update(description=ACTIONS[TRY_AGAIN].says)
    async def try_again(self, given: OperatorAction) -> str:
        return await self._act(TRY_AGAIN, given)
