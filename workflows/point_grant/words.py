"""What operators read of a grant in the Temporal UI (OP-01): Japanese first, English behind."""

from __future__ import annotations

from datetime import timedelta, timezone

from workflows.point_grant.contract import LOOK_AGAIN, LOOK_AGAIN_SAYS, Standing, State

_JST = timezone(timedelta(hours=9), "JST")
_STATES: dict[State, tuple[str, str]] = {
    "pending": ("ポイント付与待ち", "the points are pending"),
    "granted": ("ポイント付与済み", "the points were granted"),
    "cancelled": ("付与なし", "nothing is granted: the order was cancelled"),
}


def details(order_id: str, standing: Standing, problem: str) -> str:
    """Where the grant is, what it waits for, until when, and what an operator can do; ids only (OP-03)."""
    japanese, english = _STATES[standing.state]
    rows = [f"### {japanese}", f"*{english}*", "", "| | |", "|---|---|", f"| order | `{order_id}` |"]
    if problem:
        rows += ["", f"**要対応 needs an operator:** `{problem}`"]
        rows += ["", "**Actions (Send an Update):**", f"- `{LOOK_AGAIN}`: {LOOK_AGAIN_SAYS}"]
        return "\n".join(rows)
    rows.append(f"| points ポイント | {standing.points} |")
    if standing.state == "pending":
        rows.append(f"| waits for 待ち | {_waits_for(standing)} |")
    return "\n".join(rows)


def _waits_for(standing: Standing) -> str:
    if standing.due_at is None:
        return "発送 dispatch, delivery or closing of the order"
    due = standing.due_at.astimezone(_JST).strftime("%Y-%m-%d %H:%M JST")
    return f"{due} 返品等の受付期間の終わり the end of the claim window"
