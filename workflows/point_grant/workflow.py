"""The process of one order's points: it waits until they are due, and asks points to grant them (PT-05).

Points owns every fact. Whatever the store tells comes as a poke, after which the grant is looked at again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    import workflows.point_grant.contract as steps
    from workflows.kit import OperatorAction, ProcessTime, StepFailed
    from workflows.point_grant.contract import Standing, StartGrant
    from workflows.point_grant.words import details

STATE = SearchAttributeKey.for_keyword("State")
DEADLINE = SearchAttributeKey.for_datetime("Deadline")
NEEDS_OPERATOR = SearchAttributeKey.for_bool("NeedsOperator")

PAUSE = timedelta(minutes=1)


@workflow.defn(name=steps.WORKFLOW)
class PointGrant:
    """One order's grant: looked at, waited for, granted."""

    @workflow.init
    def __init__(self, start: StartGrant) -> None:
        self._order = start.order_id
        self._time = ProcessTime(start)
        self._poked = False
        self._problem = ""
        self._shown = ""

    @workflow.run
    async def run(self, _start: StartGrant) -> str:
        """Ends with the state in which the grant is decided."""
        while True:
            self._poked = False
            try:
                standing = await self._look_or_grant()
            except StepFailed as failure:
                await self._stuck(failure.code)
                continue
            self._show(standing)
            if standing.state != "pending":
                await workflow.wait_condition(workflow.all_handlers_finished)
                return standing.state
            await self._time.wait(lambda: self._poked, self._next_look(standing), f"{standing.points} points are due")

    async def _look_or_grant(self) -> Standing:
        """Looks at the grant; asks for it when it is due. Points decides, and its answer is followed (PR-06)."""
        standing = await steps.REVIEW_GRANT(steps.ReviewGrant(order_id=self._order, as_of=self._time.now()))
        now = self._time.now()
        if standing.due_at is None or standing.due_at > now:
            return standing
        key = f"{steps.workflow_id(self._order)}/post/as-of={now.isoformat()}"
        return await steps.POST_GRANT(steps.PostGrant(request_id=key, order_id=self._order, as_of=now))

    def _next_look(self, standing: Standing) -> datetime | None:
        """When it is due; a while from now where it was due and points would not grant it."""
        now = self._time.now()
        if standing.due_at is not None and standing.due_at <= now:
            return now + PAUSE
        return standing.due_at

    async def _stuck(self, problem: str) -> None:
        """Waits for an operator, or for the store's next word; never ends the case (OP-04)."""
        self._problem = problem
        self._show(Standing(state="pending", points=0))
        await workflow.wait_condition(lambda: self._poked)
        self._problem = ""

    @workflow.signal(name=steps.REVIEW)
    def review(self) -> None:
        self._poked = True

    @workflow.update(name=steps.LOOK_AGAIN, description=steps.LOOK_AGAIN_SAYS)
    async def look_again(self, given: OperatorAction) -> str:
        """Goes on with the step that failed; answers with what was wrong."""
        info = workflow.current_update_info()
        acted = steps.Acted(
            request_id=f"{steps.workflow_id(self._order)}/act/{info.id if info else steps.LOOK_AGAIN}",
            as_of=self._time.now(),
            order_id=self._order,
            action=steps.LOOK_AGAIN,
            **given.model_dump(),
        )
        problem = self._problem
        await steps.RECORD_ACTION(acted)
        self._poked = True
        return problem or "nothing was wrong"

    def _show(self, standing: Standing) -> None:
        """State, deadline and need in the list; the rest in the case's details (OP-01)."""
        shown = details(self._order, standing, self._problem)
        if shown == self._shown:
            return
        self._shown = shown
        workflow.set_current_details(shown)
        due: datetime | None = standing.due_at
        workflow.upsert_search_attributes(
            [
                STATE.value_set(standing.state),
                NEEDS_OPERATOR.value_set(bool(self._problem)),
                DEADLINE.value_set(due) if due else DEADLINE.value_unset(),
            ]
        )
