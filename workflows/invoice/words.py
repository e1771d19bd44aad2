"""What operators read of an invoice in the Temporal UI (OP-01): Japanese first, English behind."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from workflows.invoice.contract import LOOK_AGAIN, LOOK_AGAIN_SAYS, Invoice, State

_JST = timezone(timedelta(hours=9), "JST")
_STATES: dict[State, tuple[str, str]] = {
    "requested": ("請求書の発行待ち", "the invoice is being issued"),
    "issued": ("請求書を発行済み、支払待ち", "the invoice was issued and waits to be paid"),
    "late": ("支払期限超過", "the invoice is late"),
    "paid": ("支払済み", "the invoice was paid"),
    "cancelled": ("請求取り下げ", "the invoice was withdrawn"),
}


def details(invoice_id: str, order_id: str, invoice: Invoice, problem: str) -> str:
    """Where the invoice is, what it waits for, until when, and what an operator can do; ids only (OP-03)."""
    japanese, english = _STATES[invoice.state]
    rows = [f"### {japanese}", f"*{english}*", "", "| | |", "|---|---|"]
    rows += [f"| invoice | `{invoice_id}` |", f"| order | `{order_id}` |"]
    rows.append(f"| 回収手数料 collection charges | {invoice.late_charges} |")
    if invoice.next_charge_at:
        rows.append(f"| 支払がなければ加算 charged unless paid | {_day(invoice.next_charge_at)} |")
    if problem:
        rows += ["", f"**要対応 needs an operator:** `{problem}`"]
        rows += ["", "**Actions (Send an Update):**", f"- `{LOOK_AGAIN}`: {LOOK_AGAIN_SAYS}"]
    return "\n".join(rows)


def _day(instant: datetime) -> str:
    return instant.astimezone(_JST).strftime("%Y-%m-%d %H:%M JST")
