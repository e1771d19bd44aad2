"""What operators keep as saved views in the Temporal UI (OP-01)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

_RUNNING = "ExecutionStatus = 'Running'"


def views(now: datetime) -> Mapping[str, str]:
    """List filters by the name of the view.

    Temporal's filters know no word for now: those about time hold for the day on which they are made. The attribute
    `Case` is also a word of SQL and stands in backquotes: "… AND `Case` = 'sparekey-order'" narrows each of them.

    Args:
        now: aware, by the clock of the processes.
    """
    tomorrow = now + timedelta(days=1)
    return {
        "needs me": f"NeedsOperator = true AND {_RUNNING}",
        "due in 24 h": f"Deadline >= '{_written(now)}' AND Deadline < '{_written(tomorrow)}' AND {_RUNNING}",
        "overdue": f"Deadline < '{_written(now)}' AND {_RUNNING}",
        "stopped": (
            f"(State = 'stopped' AND {_RUNNING}) OR ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut', 'Canceled')"
        ),
    }


def _written(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
