"""What operators read of a night in the Temporal UI (OP-01)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from workflows.board import Card
from workflows.daily.contract import CLOSE, CLOSE_SAYS, LOOK_AGAIN, LOOK_AGAIN_SAYS, Chore, Difference

_CHORES: dict[Chore, tuple[str, str]] = {
    "points-expiry": ("失効したポイントの記帳", "what has lapsed is entered"),
    "key-numbers": ("保存期限を過ぎた鍵番号の消去", "key numbers kept long enough are erased"),
    "keys-leaving": ("契約の終わった鍵の確認", "keys on their way out are looked at: has a lease ended?"),
    "reconciliation": ("帳簿の照合", "all books are held against each other"),
}
_SHOWN = 40


def summary(chore: Chore) -> str:
    """A line for the list of cases."""
    return " / ".join(_CHORES[chore])


def card(chore: Chore, day: date, state: str, problem: str, found: Sequence[Difference], count: int) -> Card:
    """Which chore of which night, what is wrong with it, and what an operator can do."""
    findings: list[str] = []
    if found:
        findings += ["", "| disagreement 不一致 | of | |", "|---|---|---|"]
        findings += [f"| {one.kind} | `{one.of}` | {one.says} |" for one in found[:_SHOWN]]
    if count > _SHOWN:
        findings.append(f"\n{count - _SHOWN} more: `ruum reconcile` prints them all.")
    return Card(
        state=state,
        title=_CHORES[chore],
        rows={"night after 対象日": day.isoformat()},
        problem=problem,
        actions={LOOK_AGAIN: LOOK_AGAIN_SAYS, CLOSE: CLOSE_SAYS} if problem else {},
        findings=findings,
    )
