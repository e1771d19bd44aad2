"""The statements of grants; each change of state is one conditional update, which decides every race (PR-06)."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from services.points.grants.models import Grant


async def add(tx: AsyncSession, grant: Grant) -> bool:
    """Returns false when the order has a grant already."""
    added = insert(Grant).values(grant.model_dump()).on_conflict_do_nothing().returning(col(Grant.order_id))
    return (await tx.execute(added)).first() is not None


async def settle(tx: AsyncSession, order_id: str, now: datetime) -> Grant | None:
    """Grants it when it is pending and due; else nothing."""
    due = sa.update(Grant).where(_pending(order_id), col(Grant.due_at) <= now)
    return await tx.scalar(due.values(state="granted", decided_at=now).returning(Grant))


async def cancel(tx: AsyncSession, order_id: str, now: datetime) -> Grant | None:
    """Cancels it when it is pending; else nothing."""
    pending = sa.update(Grant).where(_pending(order_id))
    return await tx.scalar(pending.values(state="cancelled", decided_at=now).returning(Grant))


async def locked(tx: AsyncSession, order_id: str) -> Grant | None:
    """The grant, which nobody else changes until the transaction ends; what is set on it is written."""
    return await tx.scalar(select(Grant).where(col(Grant.order_id) == order_id).with_for_update(key_share=True))


async def find(session: AsyncSession, order_id: str) -> Grant | None:
    return await session.scalar(select(Grant).where(col(Grant.order_id) == order_id))


def _pending(order_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(col(Grant.order_id) == order_id, col(Grant.state) == "pending")
