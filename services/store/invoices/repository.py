"""SQL of invoices: each charge and each settlement is one conditional UPDATE (PR-06)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.rows import one
from services.store.invoices.models import OPEN, Invoice

_T = Invoice.table().c


async def get(session: AsyncSession, invoice_id: str) -> Invoice | None:
    return await one(session, Invoice, sa.select(Invoice).where(_T.invoice_id == invoice_id))


async def of_payment(session: AsyncSession, payment_id: str) -> Invoice | None:
    return await one(session, Invoice, sa.select(Invoice).where(_T.payment_id == payment_id))


async def request(tx: AsyncSession, invoice: Invoice) -> None:
    """Writes down that an invoice is wanted; a payment has one."""
    await tx.execute(insert(Invoice.table()).values(invoice.model_dump()).on_conflict_do_nothing())


async def issued(tx: AsyncSession, payment_id: str, values: dict[str, Any], now: datetime) -> Invoice | None:
    """The provider issued it; None when that is known."""
    wanted = sa.update(Invoice).where(_T.payment_id == payment_id, _T.state == "requested")
    return await one(tx, Invoice, wanted.values(state="issued", issued_at=now, **values).returning(Invoice))


async def charge(tx: AsyncSession, invoice_id: str, ordinal: int, charge: int) -> Invoice | None:
    """The collection charge of this ordinal, once, and never after it was paid."""
    next_one = sa.update(Invoice).where(_T.invoice_id == invoice_id, _T.state.in_(OPEN), _T.late_charges == ordinal - 1)
    values = {"state": "late", "late_charges": ordinal, "charges": _T.charges + charge}
    return await one(tx, Invoice, next_one.values(values).returning(Invoice))


async def settle(tx: AsyncSession, payment_id: str, state: str, **values: Any) -> Invoice | None:
    """It is paid or cancelled; None when it was already, or there is none."""
    open_one = sa.update(Invoice).where(_T.payment_id == payment_id, _T.state.in_((*OPEN, "requested")))
    return await one(tx, Invoice, open_one.values(state=state, **values).returning(Invoice))
