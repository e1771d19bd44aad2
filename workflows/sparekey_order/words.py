"""What operators read of a case in the Temporal UI (OP-01): Japanese first, English behind."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from workflows.sparekey_order.contract import ACTIONS, Case, CaseState

_JST = timezone(timedelta(hours=9), "JST")

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

OPERATORS_CAN: dict[CaseState, tuple[str, ...]] = {
    "checking": ("accept_key_number", "refuse_key_number"),
    "number-asked": ("accept_key_number",),
    "accepted": ("mark_arranged", "refuse_key_number"),
    "stopped": ("release_dispatch", "reject_dispatch", "close_as_destroyed", "decide"),
    "released": ("mark_dispatched",),
    "dispatched": ("record_carrier_event",),
    "absent": ("record_carrier_event", "record_collected"),
    "returned": ("order_redelivery", "close_as_destroyed"),
    "redelivering": ("mark_dispatched", "record_carrier_event", "record_collected"),
    "handed-over": ("record_collected",),
    "lost": ("decide", "record_carrier_event"),
}


TOO_LATE, ON_ITS_WAY = "stopped-too-late", ("mark_dispatched",)
"""What is left to do where a carrier had the key before the maker heard of the stop (SK-05)."""


def details(case: Case, order_id: str, problem: str) -> str:
    """Where the case is, what it waits for, until when, and what an operator can do; ids only (OP-03)."""
    japanese, english = WAITS_FOR.get(case.state, (case.state, case.state))
    rows = [
        f"### {japanese}",
        f"*{english}*",
        "",
        "| | |",
        "|---|---|",
        f"| order | `{order_id}` |",
        f"| state | `{case.state}` |",
        f"| deadline 期限 | {_written(case.deadline)} |",
        f"| next reminder | {_written(case.remind_at)} |",
        f"| operator is called | {_written(case.patience_until)} |",
    ]
    if case.redelivery:
        rows.append(f"| redelivery 再配送 | {case.redelivery} |")
    if problem:
        rows += ["", f"**要対応 needs an operator:** `{problem}`"]
    offered = ON_ITS_WAY if problem == TOO_LATE else OPERATORS_CAN.get(case.state, ())
    can = (*offered, *(("try_again",) if problem else ()))
    if can:
        rows += ["", "**Actions (Send an Update):**", *(f"- `{name}`: {ACTIONS[name][1]}" for name in can)]
    return "\n".join(rows)


def _written(instant: datetime | None) -> str:
    return instant.astimezone(_JST).strftime("%Y-%m-%d %H:%M JST") if instant else "—"
