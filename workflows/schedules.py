"""The schedules of the nights, made by the worker when it starts."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from workflows.daily import contract
from workflows.daily.contract import Chore, StartChore
from workflows.daily.words import summary

_CAUGHT_UP = timedelta(days=7)
"""How late a night is still done that was missed because nothing ran."""
_CASE = SearchAttributePair(SearchAttributeKey.for_keyword("Case"), contract.WORKFLOW)
_NIGHT = ScheduleCalendarSpec(hour=[ScheduleRange(0)], minute=[ScheduleRange(10)])


async def keep(client: Client) -> None:
    """Makes the schedules, or brings those that are there up to date."""
    for chore in contract.CHORES:
        schedule = _nightly(chore)
        try:
            await client.create_schedule(contract.workflow_id(chore), schedule)
        except ScheduleAlreadyRunningError:
            handle = client.get_schedule_handle(contract.workflow_id(chore))
            await handle.update(partial(_as_wanted, schedule))


def _as_wanted(wanted: Schedule, found: ScheduleUpdateInput) -> ScheduleUpdate:
    """What the code says; but what an operator has paused stays paused."""
    wanted.state = found.description.schedule.state
    return ScheduleUpdate(schedule=wanted)


def _nightly(chore: Chore) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            contract.WORKFLOW,
            StartChore(chore=chore),
            id=contract.workflow_id(chore),
            task_queue=contract.TASK_QUEUE,
            typed_search_attributes=TypedSearchAttributes([_CASE]),
            static_summary=summary(chore),
        ),
        spec=ScheduleSpec(calendars=[_NIGHT], time_zone_name="Asia/Tokyo"),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=_CAUGHT_UP),
    )
