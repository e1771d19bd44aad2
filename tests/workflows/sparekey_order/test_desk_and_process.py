"""What the desk allows and what the process takes are one table, state by state (SK-50, OP-04)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import ALLOWED
from tests.support.waiting import until
from tests.workflows.door import ended
from tests.workflows.sparekey_order.fakes import STATES, Order, Services, refused, running
from workflows.kit import Step
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.actions import ACTIONS, OperatorActions
from workflows.sparekey_order.words import TOO_LATE, card

ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "accept_key_number": {"reference": f"ref_{0:026d}"},
    "mark_dispatched": {"tracking_number": "12345678901"},
    "record_carrier_event": {"event": "scanned"},
    "decide": {"decision": "refund"},
}
# The step that fails in each state; elsewhere it is the reading of the case, after a word from outside.
FAILS: Mapping[str, Step[Any, Any]] = {
    "draft": steps.ABANDON,
    "placing": steps.CONFIRM,
    "checking": steps.CHECK,
    "accepted": steps.ORDER_KEYS,
    "ready": steps.CHECK_DISPATCH,
    "cleared": money.ENSURE,
    "dispatched": money.MARK,
    "absent": money.MARK,
    "returned": money.MARK,
    "redelivery-requested": steps.REDELIVER,
    "cancelling": steps.STOP,
    "cancelled": steps.CLOSE,
    "handed-over": money.MARK,
    "destroyed": money.MARK,
}
HAS_EFFECT_FIRST = {"draft", "cancelled"}
"""The step has moved the case there, and its answer was lost."""


class Stuck:
    """An order whose process cannot go on in a state until somebody says that the problem is mended."""

    def __init__(self, state: str) -> None:
        self.services = Services()
        self.state = state
        self.mended = False
        self.failing = FAILS.get(state, steps.GET)
        answers = self.services.answers
        answers[steps.ACT.name] = self._desk
        answers[self.failing.name] = self._fail
        before = {"cancelled": "cancelling", "draft": "placing", "placing": "placing"}.get(state, state)
        self.services.to(before)
        if state == "draft":
            answers[money.AUTHORISE.name] = money.Payment(state="declined", decline_code="card-declined")
        elif state not in {"placing", "checking"}:
            answers[steps.CONFIRM.name] = lambda _: self.services.case

    def _fail(self, _given: Any) -> Any:
        if self.mended:
            return None
        if self.state in HAS_EFFECT_FIRST and self.services.case.state != self.state:
            self.services.to(self.state)
        return refused("something-is-wrong")

    def _desk(self, given: steps.Acted) -> Any:
        if State(self.services.case.state) not in ALLOWED[given.action]:
            return refused("key-operator-action-not-possible")
        self.mended = given.action == "try_again"
        return self.services.case

    async def is_stuck(self, order: Order) -> None:
        if self.failing is steps.GET:
            await until(lambda: steps.CONFIRM.name in self.services.names())
            await order.case_changed()
        await until(lambda: bool(self.services.of(self.failing)))


async def takes(order: Order, action: str) -> bool:
    """Whether the process takes the action; else it is refused by the desk's name for it."""
    try:
        await order.act(action, **ARGUMENTS.get(action, {}))
    except WorkflowUpdateFailedError as failure:
        cause = failure.cause
        assert isinstance(cause, ApplicationError)
        assert cause.type == "key-operator-action-not-possible"
        return False
    return True


async def taken_when_stuck(dev: Client, state: str) -> set[str]:
    """Which actions a process takes that is stuck in a state; with the last of them it goes on."""
    stuck = Stuck(state)
    async with running(dev, stuck.services) as order, ended():
        placing = asyncio.ensure_future(order.place())
        await stuck.is_stuck(order)
        others = [action for action in ACTIONS if action != "try_again"]
        answers = [await takes(order, action) for action in others]  # at most ten updates can be under way
        tried = len(stuck.services.of(stuck.failing))
        answers.append(await takes(order, "try_again"))
        await until(lambda: not answers[-1] or len(stuck.services.of(stuck.failing)) > tried)
        await order.handle.terminate()
        await asyncio.gather(placing, return_exceptions=True)  # who placed it is told nothing any more
    return {action for action, taken in zip([*others, "try_again"], answers, strict=True) if taken}


def test_every_action_of_the_table_is_an_update_of_the_process() -> None:
    updates = {name for name, it in vars(OperatorActions).items() if hasattr(it, "validator")}

    assert updates == set(ACTIONS), "give each row of ACTIONS its @workflow.update of the same name in OperatorActions"


@pytest.mark.rule("SK-50")
async def test_a_process_that_is_stuck_takes_what_the_desk_allows_in_its_state_and_goes_on(dev: Client) -> None:
    taken = await asyncio.gather(*(taken_when_stuck(dev, state) for state in STATES))

    allowed = [{action for action in ALLOWED if State(state) in ALLOWED[action]} | {"try_again"} for state in STATES]
    assert dict(zip(STATES, taken, strict=True)) == dict(zip(STATES, allowed, strict=True))


@pytest.mark.rule("OP-01")
@pytest.mark.parametrize("state", STATES)
def test_the_details_of_a_case_offer_the_actions_that_are_possible_there(state: str) -> None:
    case = steps.Case.model_validate({"version": 1, "state": state})
    problems = ["something-is-wrong", *([TOO_LATE] if state == "stopped" else [])]
    shown = [card(case, "ord_1", problem).details for problem in problems]

    offered = {action for action in ACTIONS if any(f"`{action}`" in said for said in shown)}

    assert offered == {action for action in ALLOWED if State(state) in ALLOWED[action]} | {"try_again"}
