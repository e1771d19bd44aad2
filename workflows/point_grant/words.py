"""What operators read of a grant in the Temporal UI (OP-01)."""

from __future__ import annotations

from workflows.board import Card, written
from workflows.point_grant.contract import LOOK_AGAIN, LOOK_AGAIN_SAYS, Standing, State

_STATES: dict[State, tuple[str, str]] = {
    "pending": ("ポイント付与待ち", "the points are pending"),
    "granted": ("ポイント付与済み", "the points were granted"),
    "cancelled": ("付与なし", "nothing is granted: the order was cancelled"),
}


def card(order_id: str, standing: Standing, problem: str) -> Card:
    """Where the grant is, what it waits for, until when, and what an operator can do."""
    rows = {"order": f"`{order_id}`"}
    if not problem:
        rows["points ポイント"] = str(standing.points)
    if not problem and standing.state == "pending":
        rows["waits for 待ち"] = _waits_for(standing)
    return Card(
        state=standing.state,
        title=_STATES[standing.state],
        rows=rows,
        problem=problem,
        actions={LOOK_AGAIN: LOOK_AGAIN_SAYS} if problem else {},
        deadline=standing.due_at,
    )


def _waits_for(standing: Standing) -> str:
    if standing.due_at is None:
        return "発送 dispatch, delivery or closing of the order"
    return f"{written(standing.due_at)} 返品等の受付期間の終わり the end of the claim window"
