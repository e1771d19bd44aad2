"""Statements on what operators do."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.sparekey.desk.models import Approval, Audit, DeskReference

references, approvals, audits = DeskReference.table(), Approval.table(), Audit.table()


async def keep_reference(tx: AsyncSession, reference: DeskReference) -> None:
    await tx.execute(sa.insert(references).values(reference.model_dump()))


async def use_reference(tx: AsyncSession, reference: str, order_id: str, now: datetime) -> str | None:
    """The number that a living reference stands for, used up by this; nothing when it is none for this order."""
    t = references.c
    living = (t.reference == reference, t.order_id == order_id, t.used_at.is_(None), t.expires_at > now)
    used = sa.update(references).where(*living).values(used_at=now).returning(t.number_id)
    return (await tx.scalars(used)).one_or_none()


async def approve(tx: AsyncSession, approval: Approval, lapsed: datetime) -> str:
    """Notes an approval, unless a living one of this version stands. Returns whose that is; empty when this is it."""
    kept = approvals.c
    new = insert(approvals).values(approval.model_dump())
    # What stands is the first operator's; one that has lapsed, or was of the case as it was before, gives way.
    dead = sa.or_(kept.case_version != approval.case_version, kept.approved_at <= lapsed)
    noted = new.on_conflict_do_update(
        index_elements=["order_id", "action"], set_=approval.model_dump(), where=dead
    ).returning(kept.operator)
    if (await tx.execute(noted)).first() is not None:
        return ""
    standing = sa.select(kept.operator).where(kept.order_id == approval.order_id, kept.action == approval.action)
    return str((await tx.scalars(standing)).one())


async def spend(tx: AsyncSession, order_id: str, action: str) -> None:
    """The approval has served."""
    await tx.execute(sa.delete(approvals).where(approvals.c.order_id == order_id, approvals.c.action == action))


async def write(tx: AsyncSession, audit: Audit) -> None:
    await tx.execute(sa.insert(audits).values(audit.model_dump(exclude={"position"})))
