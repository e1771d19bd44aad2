"""What every process is built of: its own time, deadlines, steps with named efforts, and the inputs of all of them.

Only the standard library, temporalio and pydantic, so that workflows stay in the sandbox and replay fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError

TASK_QUEUE = "ruum"
JAPAN = timezone(timedelta(hours=9), "JST")

I = TypeVar("I", bound=BaseModel)  # noqa: E741  # input
O = TypeVar("O")  # noqa: E741  # outcome


class Given(BaseModel):
    """Parent of what crosses a workflow's border: ids, codes, states and instants; no personal data (OP-03)."""

    model_config = ConfigDict(frozen=True)


class Start(Given):
    """What every process is started with.

    Attributes:
        clock_ahead_seconds: how far the clock of the one who starts it is moved; only on a developer's machine (PR-05).
    """

    clock_ahead_seconds: float = 0


class OperatorAction(Given):
    """What every operator's action names; free text belongs to the desk (OP-02)."""

    operator: str = Field(pattern=r"^op_[0-9a-z_]{2,32}$", description="your operator id")
    reason: str = Field(pattern=r"^[a-z][a-z-]{0,31}$", description="reason code")


class Acted(Given):
    """An operator's action on its way to the audit table (OP-02)."""

    request_id: str
    as_of: datetime
    operator: str
    reason: str
    action: str


class Recorded(Given):
    """Its id in that table."""

    action_id: str


class StepFailed(ApplicationError):
    """A step failed for good.

    Attributes:
        code: the failure's name, as the service said it, or what became of the call.
        decided: the service decided, so that trying again cannot help.
    """

    def __init__(self, code: str, *, decided: bool) -> None:
        super().__init__(code, type=code, non_retryable=True)
        self.code = code
        self.decided = decided


@dataclass(frozen=True)
class Effort:
    """How long a kind of step is tried.

    Attributes:
        once: limit of one try.
        whole: limit of all tries together; then the step has failed.
        again: pause before the second try, doubled up to `at_most`.
        tries: how many at most; 0 for as many as `whole` allows. A local effort needs a number: its `whole` is not
            looked at between tries.
        local: run inside the workflow's own task: no history but one marker, for what is over in moments.
        first: a shorter effort that goes before, and is all that is needed while everything is up.
    """

    once: timedelta
    whole: timedelta
    again: timedelta
    at_most: timedelta
    tries: int = 0
    local: bool = False
    first: Effort | None = None


DEAD_AFTER = timedelta(seconds=10)
"""Without a heartbeat a worker is taken for dead, and the step is given to another."""
CUSTOMER_WAITS = Effort(
    once=timedelta(seconds=12),
    whole=timedelta(seconds=25),
    again=timedelta(milliseconds=100),
    at_most=timedelta(seconds=1),
    tries=12,
    local=True,
)
"""A step of ordering, while somebody looks at the screen."""
MOMENT = Effort(
    once=timedelta(seconds=5),
    whole=timedelta(seconds=8),
    again=timedelta(milliseconds=100),
    at_most=timedelta(seconds=1),
    tries=3,
    local=True,
)
"""A call to a service of ours that is up."""
SERVICE = Effort(
    once=timedelta(seconds=20),
    whole=timedelta(days=1),
    again=timedelta(seconds=1),
    at_most=timedelta(minutes=1),
    first=MOMENT,
)
"""A call to a service of ours that may be down."""
PARTNER = Effort(
    once=timedelta(seconds=30),
    whole=timedelta(days=1),
    again=timedelta(seconds=2),
    at_most=timedelta(minutes=5),
)
"""A call that ends at a partner, who may be away for hours."""


@dataclass(frozen=True)
class Step(Generic[I, O]):
    """An activity by its name, with the types of what goes in and comes out.

    Attributes:
        name: as the worker registers it: `points.hold`.
        outcome: what comes out.
        effort: how it is tried.
        summary: what the Temporal UI shows (OP-01).
    """

    name: str
    outcome: type[O]
    effort: Effort
    summary: str

    async def __call__(self, given: I) -> O:
        """Runs the step.

        Raises:
            StepFailed: it was refused, or could not be done.
        """
        if self.effort.first is not None:
            # A local try costs one event of history. Where it fails the step begins anew, under the same request id.
            try:
                return await self._run(given, self.effort.first)
            except StepFailed as failure:
                if failure.decided:
                    raise
        return await self._run(given, self.effort)

    async def _run(self, given: I, effort: Effort) -> O:
        policy = RetryPolicy(
            initial_interval=effort.again, maximum_interval=effort.at_most, maximum_attempts=effort.tries
        )
        options: dict[str, Any] = {
            "result_type": self.outcome,
            "start_to_close_timeout": effort.once,
            "schedule_to_close_timeout": effort.whole,
            "retry_policy": policy,
            "summary": self.summary,
        }
        if not effort.local:
            options["heartbeat_timeout"] = DEAD_AFTER
        run = workflow.execute_local_activity if effort.local else workflow.execute_activity
        try:
            outcome: O = await run(self.name, given, **options)
        except FailureError as failure:
            raise _failed(failure) from failure
        return outcome


def _failed(failure: FailureError) -> FailureError:
    """What became of a step; a local one fails with the bare cause, another with the cause in an `ActivityError`."""
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if isinstance(cause, CancelledError):
        return failure
    if isinstance(cause, ApplicationError):
        return StepFailed(cause.type or "step-failed", decided=cause.non_retryable)
    return StepFailed("step-timed-out", decided=False)


class ProcessTime:
    """The process's time: the server's, plus what the starter's clock was ahead (PR-05)."""

    def __init__(self, start: Start) -> None:
        self._ahead = timedelta(seconds=start.clock_ahead_seconds)

    def now(self) -> datetime:
        return workflow.now() + self._ahead

    async def wait(self, condition: Callable[[], bool], until: datetime | None, summary: str) -> bool:
        """Waits for the condition, at most until an absolute instant (OP-05). Returns whether it came true.

        Args:
            condition: what is waited for.
            until: without it the wait has no end.
            summary: what the timer shows in the Temporal UI.
        """
        if until is None:
            await workflow.wait_condition(condition)
            return True
        left = until - self.now()
        if left <= timedelta():
            return condition()
        try:
            await workflow.wait_condition(condition, timeout=left, timeout_summary=summary)
        except TimeoutError:
            return condition()  # both may have come true in the same task
        return True
