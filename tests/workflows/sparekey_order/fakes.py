"""The services behind a spare-key order, as a script: what each step answers, and what was asked of it.

Only the process is under test here: who it asks, in which order, when, and what it does with each answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any, get_args

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.chassis.temporal import NamedFailures
from tests.support.end_of import end_of
from workflows.kit import TASK_QUEUE, Step
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.contract import Case, Place, PlaceAnswer, StartOrder
from workflows.sparekey_order.workflow import SparekeyOrder

_orders = count(1)
_INPUTS: dict[str, type] = {
    money.BEGIN.name: money.BeginPlacing,
    money.HOLD.name: money.HoldPoints,
    money.CONFIRM.name: money.ConfirmOrder,
    money.ABANDON.name: money.WithReason,
    money.RELEASE.name: money.ReleasePoints,
    money.GIVE_BACK.name: money.GiveBackPoints,
    money.CANCEL.name: money.WithReason,
    money.MARK.name: money.MarkOrder,
    money.PROMISE.name: money.PromiseDispatch,
    steps.GET.name: steps.CaseRef,
    steps.ABANDON.name: steps.Abandoned,
    steps.CHECK.name: steps.CheckRound,
    steps.REDELIVER.name: steps.Redelivery,
    steps.REMIND.name: steps.Reminder,
    steps.CALL_OPERATOR.name: steps.Because,
    steps.CLOSE.name: steps.CloseCase,
    steps.ACT.name: steps.Acted,
}
_MONEY = (
    money.BEGIN,
    money.HOLD,
    money.AUTHORISE,
    money.CONFIRM,
    money.ABANDON,
    money.RELEASE,
    money.GIVE_BACK,
    money.ENSURE,
    money.CAPTURE_POINTS,
    money.CAPTURE,
    money.CANCEL,
    money.MARK,
    money.PROMISE,
    money.INVOICE,
)
_CASE = (
    steps.GET,
    steps.CONFIRM,
    steps.ABANDON,
    steps.CHECK,
    steps.EXPIRE,
    steps.ORDER_KEYS,
    steps.CHECK_DISPATCH,
    steps.RELEASE,
    steps.REDELIVER,
    steps.STOP,
    steps.REMIND,
    steps.CALL_OPERATOR,
    steps.CLOSE,
    steps.ACT,
)
NOTHING_DUE: dict[str, Any] = {"deadline": None, "patience_until": None, "remind_at": None, "look_due": False}


def refused(code: str) -> ApplicationError:
    """What an activity raises when the service has decided."""
    return ApplicationError(code, type=code, non_retryable=True)


class Services:
    """Store, points and sparekey, as one order sees them.

    Attributes:
        case: where the case stands; `to` moves it.
        dispatch_days: the business days that sparekey promises when it places an order.
        asked: every step asked for, with its input, in order.
        answers: what a step answers in place of its ordinary answer: a value, an error, or a function of its input.
    """

    def __init__(self, *, points: int = 30, means: money.Means = "card") -> None:
        self.order_id = f"ord_{next(_orders):026d}"
        self.case = Case(version=1, state="checking", check_round=1)
        self.dispatch_days = 7
        self.asked: list[tuple[str, Any]] = []
        self.placing = money.Placing(
            member_id="mem_1",
            points=points,
            points_parts=[money.PointsPart(line_id="line_1", points=points)] if points else [],
            due=1000,
            means=means,
        )
        self.answers: dict[str, Any] = {}
        self._ordinary: dict[str, Callable[[Any], Any]] = {
            money.BEGIN.name: lambda _: self.placing,
            money.AUTHORISE.name: lambda _: money.Payment(state="authorised"),
            money.ENSURE.name: lambda _: money.Payment(state="authorised"),
            money.CAPTURE.name: lambda _: money.Payment(state="captured"),
            money.CONFIRM.name: lambda _: money.Confirmed(order_number="1000000001", promised_dispatch_on="2026-06-01"),
            steps.ABANDON.name: lambda _: self.to("draft"),
            steps.CLOSE.name: lambda given: self.to(given.state),
            steps.ORDER_KEYS.name: lambda given: self.to("making", arranged_at=given.as_of),
            steps.CHECK_DISPATCH.name: lambda _: self.to("cleared"),
            steps.RELEASE.name: lambda _: self.to("released"),
            steps.REDELIVER.name: lambda _: self.to("redelivering"),
            steps.CALL_OPERATOR.name: lambda given: self.to(self.case.state, needs_operator=given.reason),
            steps.REMIND.name: lambda _: self.to(self.case.state, deadline=self.case.deadline),
        }

    def to(self, state: str, **more: Any) -> Case:
        """The case moves on; what was due is due no more."""
        self.case = Case.model_validate(
            self.case.model_dump() | NOTHING_DUE | {"state": state, "version": self.case.version + 1} | more
        )
        return self.case

    def names(self) -> list[str]:
        """The steps asked for, without the reading of the case."""
        return [name for name, _ in self.asked if name != steps.GET.name]

    def of(self, step: Step[Any, Any]) -> list[Any]:
        """What was asked of one step."""
        return [given for name, given in self.asked if name == step.name]

    def instants(self, step: Step[Any, Any]) -> list[datetime]:
        return [given.as_of for given in self.of(step)]

    def activities(self) -> list[Callable[..., Any]]:
        return [*self.money(), *self.of_case()]

    def money(self) -> list[Callable[..., Any]]:
        """Store and points alone, for any number of orders."""
        return [self._activity(step) for step in _MONEY]

    def of_case(self) -> list[Callable[..., Any]]:
        """The spare-key service alone."""
        return [self._activity(step) for step in _CASE]

    def _activity(self, step: Step[Any, Any]) -> Callable[..., Any]:
        ordinary = money.OrderStep if step in _MONEY else steps.CaseStep

        async def answer(given: Any) -> Any:
            self.asked.append((step.name, given))
            scripted = self.answers.get(step.name)
            found = scripted(given) if callable(scripted) else scripted
            if isinstance(found, BaseException):
                raise found
            if found is not None:
                return found
            plain = self._ordinary.get(step.name)
            if plain is not None:
                return plain(given)
            return money.Done() if step.outcome is money.Done else self.case

        answer.__annotations__ = {"given": _INPUTS.get(step.name, ordinary), "return": step.outcome}
        return activity.defn(name=step.name)(answer)


class Order:
    """One order's workflow, as the services and people outside speak to it."""

    def __init__(self, client: Client, services: Services) -> None:
        self.client = client
        self.services = services
        self.id = steps.workflow_id(services.order_id)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(self.id)

    async def place(self, attempt: int = 1, update_id: str = "") -> PlaceAnswer:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            steps.WORKFLOW,
            StartOrder(order_id=self.services.order_id, member_id="mem_1", room_id="room_1"),
            id=self.id,
            task_queue=f"{TASK_QUEUE}-{self.services.order_id}",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        asked = Place(
            attempt=attempt,
            snapshot_hash="0" * 64,
            terms_version="t1",
            cancellation_version="c1",
            dispatch_business_days=self.services.dispatch_days,
        )
        answer: PlaceAnswer = await self.client.execute_update_with_start_workflow(
            steps.PLACE,
            asked,
            start_workflow_operation=start,
            id=update_id or f"place-{attempt}",
            result_type=PlaceAnswer,
        )
        return answer

    async def case_changed(self) -> None:
        await self.handle.signal(steps.CASE_CHANGED)

    async def payment_changed(self) -> None:
        await self.handle.signal(steps.PAYMENT_CHANGED)

    async def act(self, action: str, **arguments: str) -> str:
        given = {"operator": "op_sato", "reason": "by-phone"} | arguments
        answer: str = await self.handle.execute_update(action, given)
        return answer

    async def result_in(self, time: WorkflowEnvironment) -> str:
        """The result, while time passes: the server lets a task that it could not record time out and come again."""
        for _ in range(20):
            await time.sleep(timedelta(seconds=5))
            with suppress(TimeoutError):
                return await asyncio.wait_for(self.result(), 0.5)
        raise AssertionError("the workflow did not end")

    async def result(self) -> str:
        answer: str = await end_of(self.handle)
        return answer


@asynccontextmanager
async def running(client: Client, services: Services) -> AsyncIterator[Order]:
    """The order with a worker of its own."""
    worker = Worker(
        client,
        task_queue=f"{TASK_QUEUE}-{services.order_id}",
        workflows=[SparekeyOrder],
        activities=services.activities(),
        interceptors=[NamedFailures()],
    )
    async with worker:
        yield Order(client, services)


STATES: tuple[str, ...] = get_args(steps.CaseState)
