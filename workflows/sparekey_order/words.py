"""What operators read of a case in the Temporal UI (OP-01)."""

from __future__ import annotations

from datetime import datetime

from workflows.board import Card, written
from workflows.sparekey_order.actions import ACTIONS, TRY_AGAIN
from workflows.sparekey_order.contract import Case, CaseState

WAITS_FOR: dict[CaseState, tuple[str, str]] = {
    "placing": ("お支払いの手続き中", "payment is being arranged"),
    "checking": ("メーカーの鍵番号照会待ち", "the maker looks the key number up"),
    "number-asked": ("正しい鍵番号のお返事待ち", "the customer must give a correct key number"),
    "accepted": ("メーカーへの発注", "the keys are being ordered"),
    "making": ("メーカーの製作待ち", "the maker cuts the keys"),
    "ready": ("発送前の契約確認", "lease and wish date before dispatch"),
    "cleared": ("お支払いの確定", "the payment is captured"),
    "stopped": ("発送停止・判断待ち", "stopped: an operator decides"),
    "released": ("メーカーの発送待ち", "the maker dispatches"),
    "dispatched": ("書留でお届け中", "on its way by registered mail"),
    "absent": ("ご不在・郵便局で保管中", "absence notice left, held by the post"),
    "returned": ("メーカーへ返送・再配送のご依頼待ち", "back at the maker, kept for a month"),
    "redelivery-requested": ("再配送の手配", "redelivery is being arranged"),
    "redelivering": ("代金引換で再配送中", "on its way again, 935 yen on delivery"),
    "lost": ("紛失の可能性・判断待ち", "lost: remake or refund"),
    "cancelling": ("取消処理中", "everything is being given back"),
    "handed-over": ("お渡し済み", "handed over"),
    "cancelled": ("取消済み", "cancelled"),
    "destroyed": ("破棄済み", "destroyed"),
}

TOO_LATE, MARK_DISPATCHED = "stopped-too-late", "mark_dispatched"
"""A carrier had the key before the maker heard of the stop, and what is left to do then (SK-05)."""


def card(case: Case, order_id: str, problem: str) -> Card:
    """Where the case is, what it waits for, until when, and what an operator can do."""
    problem = problem or case.needs_operator
    rows = {
        "order": f"`{order_id}`",
        "state": f"`{case.state}`",
        "deadline 期限": _if_any(case.deadline),
        "next reminder": _if_any(case.remind_at),
        "operator is called": _if_any(case.patience_until),
    }
    if case.redelivery:
        rows["redelivery 再配送"] = str(case.redelivery)
    return Card(
        state=case.state,
        title=WAITS_FOR.get(case.state, (case.state, case.state)),
        rows=rows,
        problem=problem,
        actions={name: ACTIONS[name].says for name in _offered(case, problem)},
        deadline=case.deadline,
    )


def _offered(case: Case, problem: str) -> list[str]:
    offered = [name for name, action in ACTIONS.items() if case.state in action.states]
    if problem == TOO_LATE:
        offered = [MARK_DISPATCHED]
    return [*offered, TRY_AGAIN] if problem else offered


def _if_any(instant: datetime | None) -> str:
    return written(instant) if instant else "—"
