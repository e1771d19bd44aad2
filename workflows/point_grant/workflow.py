"""The process of one order's points: it waits until they are due, and asks points to grant them (PT-05).

Points owns every fact. Whatever the store tells comes as a poke, after which the grant is looked at again.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.point_grant.contract as steps
    from workflows.board import Board, acted
    from workflows.kit import OperatorAction, ProcessTime, StepFailed
    from workflows.point_grant.contract import Standing, StartGrant
    from workflows.point_grant.words import card

PAUSE = timedelta(minutes=1)
UNKNOWN = Standing(state="pending", points=0)
"""As long as points has not answered."""


@workflow.defn(name=steps.WORKFLOW)
class PointGrant:
    """One order's grant: looked at, waited for, granted."""

    @workflow.init
    def __init__(self, start: StartGrant) -> None:
        self._order = start.order_id
        self._time = ProcessTime(start)
        self._standing = UNKNOWN
        self._board = Board(lambda problem: card(self._order, self._standing, problem))
        self._poked = False

    @workflow.run
    async def run(self, _start: StartGrant) -> str:
        """Ends with the state in which the grant is decided."""
        while self._standing.state == "pending":
            self._poked = False  # before the look: what comes while it is under way asks for another
            try:
                self._standing = await self._look_or_grant()
            except StepFailed as failure:
                self._standing = UNKNOWN
                await self._board.stuck(failure.code, lambda: self._poked)
                continue
            self._board.show()
            await self._rest()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._standing.state

    async def _look_or_grant(self) -> Standing:
        """Looks at the grant; asks for it when it is due. Points decides, and its answer is followed (PR-06)."""
        standing = await steps.REVIEW_GRANT(steps.ReviewGrant(order_id=self._order, as_of=self._time.now()))
        now = self._time.now()
        if standing.due_at is None or standing.due_at > now:
            return standing
        key = f"{steps.workflow_id(self._order)}/post/as-of={now.isoformat()}"
        return await steps.POST_GRANT(steps.PostGrant(request_id=key, order_id=self._order, as_of=now))

    async def _rest(self) -> None:
        """Waits for the store's word, or until the points are due; a while, where points would not grant them yet."""
        standing, now = self._standing, self._time.now()
        if standing.state != "pending":
            return
        overdue = standing.due_at is not None and standing.due_at <= now
        until = now + PAUSE if overdue else standing.due_at
        await self._time.wait(lambda: self._poked, until, f"{standing.points} points are due")

    @workflow.signal(name=steps.REVIEW)
    def review(self) -> None:
        self._poked = True

    @workflow.update(name=steps.LOOK_AGAIN, description=steps.LOOK_AGAIN_SAYS)
    async def look_again(self, given: OperatorAction) -> str:
        """Goes on with the step that failed; answers with what was wrong."""
        wrong = self._board.wrong
        action = acted(steps.ActedOnGrant, steps.LOOK_AGAIN, given, as_of=self._time.now(), order_id=self._order)
        await steps.RECORD_ACTION(action)
        self._poked = True
        return wrong
