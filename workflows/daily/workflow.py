"""A night's chore: until nothing is left to do, or no books disagree (PT-12, SK-05, SK-12, OP-06).

What cannot be done, or does not agree, calls an operator. It is looked at again now and then, and when they say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import workflows.daily.contract as steps
    from workflows.board import Board, Card
    from workflows.daily.contract import Compared, Difference, Round, StartChore
    from workflows.daily.words import card
    from workflows.kit import JAPAN, Given, OperatorAction, ProcessTime, StepFailed

SETTLED = timedelta(minutes=10)
"""Books are read one after another while orders go on: only what still disagrees after so long is really wrong."""
AGAIN = timedelta(hours=6)
DISAGREEMENT = "books-disagree"


@workflow.defn(name=steps.WORKFLOW)
class Daily:
    """One chore of one night."""

    @workflow.init
    def __init__(self, start: StartChore) -> None:
        self._start = start
        self._time = ProcessTime(start)
        self._day = start.day or self._time.now().astimezone(JAPAN).date() - timedelta(days=1)
        self._rounds, self._done = start.rounds, 0
        self._state = "working"
        self._found: Sequence[Difference] = ()
        self._count = 0
        self._again = self._closed = False
        self._board = Board(self._card, deadlines=False)

    @workflow.run
    async def run(self, _start: StartChore) -> int:
        """Ends with how much was done in this run, or with how many disagreements an operator left."""
        self._board.show()
        while not self._closed:
            self._again = False
            self._board.problem = await self._look()
            if not self._board.problem:
                break
            self._show("needs-operator")
            until = self._time.now() + AGAIN
            await self._time.wait(lambda: self._again or self._closed, until, "looked at again by itself")
        self._board.problem = ""
        self._show("closed" if self._closed else "done")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._done + self._count

    async def _look(self) -> str:
        """Does the chore, as far as it can be done. Returns what is wrong."""
        try:
            if self._start.chore == "reconciliation":
                await self._compare()
            else:
                await self._sweep()
        except StepFailed as failure:
            return failure.code
        return DISAGREEMENT if self._count else ""

    async def _sweep(self) -> None:
        step, more = steps.SWEEPS[self._start.chore], True
        while more:
            self._renew_history()
            request_id = f"{steps.workflow_id(self._start.chore)}/day={self._day.isoformat()}/round={self._rounds}"
            swept = await step(Round(request_id=request_id, day=self._day))
            self._rounds, self._done, more = self._rounds + 1, self._done + swept.done, swept.more

    async def _compare(self) -> None:
        """Looks twice where it has to: what one look alone finds may have been on its way."""
        self._renew_history()
        first = await steps.COMPARE(Given())
        if first.count:
            await workflow.sleep(SETTLED, summary="do they disagree for good?")
            self._found, self._count = _still_wrong(first, await steps.COMPARE(Given()))
        else:
            self._found, self._count = (), 0

    def _renew_history(self) -> None:
        """Goes on in a new run where the history has become long.

        Not once an operator has closed the night: the new run would not know of it.
        """
        if workflow.info().is_continue_as_new_suggested() and not self._closed:
            workflow.continue_as_new(self._start.model_copy(update={"day": self._day, "rounds": self._rounds}))

    @workflow.update(name=steps.LOOK_AGAIN, description=steps.LOOK_AGAIN_SAYS)
    def look_again(self, given: OperatorAction) -> str:  # noqa: ARG002  # who and why stand in the history
        """Answers with what was wrong."""
        self._again = True
        return self._board.wrong

    @workflow.update(name=steps.CLOSE, description=steps.CLOSE_SAYS)
    def close(self, given: OperatorAction) -> str:  # noqa: ARG002  # as above
        """Answers with what is left as it is."""
        self._closed = True
        return self._board.wrong

    @close.validator
    def _only_when_called(self, given: OperatorAction) -> None:  # noqa: ARG002  # the handler's signature
        if not self._board.problem:
            raise ApplicationError("nothing-is-wrong", type="nothing-is-wrong", non_retryable=True)

    def _show(self, state: str) -> None:
        self._state = state
        self._board.show()

    def _card(self, problem: str) -> Card:
        return card(self._start.chore, self._day, self._state, problem, self._found, self._count)


def _still_wrong(first: Compared, second: Compared) -> tuple[Sequence[Difference], int]:
    """What both looks found, and how much that is; of more than a look can tell none is left out."""
    if any(look.count > len(look.found) for look in (first, second)):
        return second.found, second.count
    before = {(one.kind, one.of) for one in first.found}
    still = tuple(one for one in second.found if (one.kind, one.of) in before)
    return still, len(still)
