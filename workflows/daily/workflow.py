"""A night's chore: round by round until nothing is left to do (PT-12, SK-05, SK-12)."""

from __future__ import annotations

from datetime import date, timedelta, timezone

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import workflows.daily.contract as steps
    from workflows.daily.contract import Round, StartChore
    from workflows.kit import ProcessTime

JAPAN = timezone(timedelta(hours=9))


@workflow.defn(name=steps.WORKFLOW)
class Daily:
    """One chore of one night."""

    @workflow.run
    async def run(self, start: StartChore) -> int:
        """Ends with how much was done in this run."""
        day = start.day or self._yesterday(start)
        step = steps.STEPS[start.chore]
        rounds, done, more = start.rounds, 0, True
        while more:
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(start.model_copy(update={"day": day, "rounds": rounds}))
            request_id = f"{steps.workflow_id(start.chore)}/day={day.isoformat()}/round={rounds}"
            swept = await step(Round(request_id=request_id, day=day))
            rounds, done, more = rounds + 1, done + swept.done, swept.more
        return done

    def _yesterday(self, start: StartChore) -> date:
        """The last day that is over in Japan."""
        return ProcessTime(start).now().astimezone(JAPAN).date() - timedelta(days=1)
