"""What one case costs in Temporal: its events, its billable actions, and its steps in their order (QA-23)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

LOCAL = "core_local_activity"
_ACTIONS = {
    "workflow_execution_started",
    "workflow_execution_update_accepted",
    "workflow_execution_signaled",
    "activity_task_scheduled",
    "timer_started",
    "upsert_workflow_search_attributes",
}
"""What a hosted Temporal counts; besides, the local activities of one workflow task count as one."""


def kind(event: HistoryEvent) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()


def steps(events: Iterable[HistoryEvent]) -> Iterator[str]:
    """The case in one line a step; what runs inside a workflow task is marked with a dot."""
    for event in events:
        match kind(event):
            case "activity_task_scheduled":
                yield event.activity_task_scheduled_event_attributes.activity_type.name
            case "marker_recorded":
                marker = event.marker_recorded_event_attributes
                if marker.marker_name == LOCAL:
                    yield f"· {json.loads(marker.details['data'].payloads[0].data)['activity_type']}"
            case "workflow_execution_signaled":
                yield f"< {event.workflow_execution_signaled_event_attributes.signal_name}"
            case "workflow_execution_update_accepted":
                accepted = event.workflow_execution_update_accepted_event_attributes
                yield f"< {accepted.accepted_request.input.name}"
            case "timer_started":
                yield "… timer"


def report(name: str, events: Iterable[HistoryEvent]) -> str:
    history = list(events)
    kinds = Counter(kind(event) for event in history)
    tasks = _tasks_with_local_steps(history)
    actions = sum(kinds[counted] for counted in _ACTIONS) + tasks
    lines = [f"{name}: {len(history)} history events, {actions} billable actions"]
    lines += [f"  {number:>3}  {each}" for each, number in kinds.most_common()]
    return "\n".join([*lines, "  steps:", *(f"    {step}" for step in steps(history))])


def _tasks_with_local_steps(history: Iterable[HistoryEvent]) -> int:
    """How many workflow tasks had local activities; a marker names the task that recorded it."""
    return len(
        {
            event.marker_recorded_event_attributes.workflow_task_completed_event_id
            for event in history
            if kind(event) == "marker_recorded" and event.marker_recorded_event_attributes.marker_name == LOCAL
        }
    )
