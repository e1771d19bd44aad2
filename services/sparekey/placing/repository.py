"""Statements on tries of placing an order."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.sparekey.models import outbox
from services.sparekey.placing.models import Placement

placements = Placement.table()


async def begin(tx: AsyncSession, placement: Placement) -> None:
    await tx.execute(sa.insert(placements).values(placement.model_dump()))


async def placement(session: AsyncSession, order_id: str, attempt: int) -> Placement | None:
    found = sa.select(Placement).where(col(Placement.order_id) == order_id, col(Placement.attempt) == attempt)
    return (await session.scalars(found)).one_or_none()


async def begun(tx: AsyncSession, process_id: str) -> None:
    """The process itself has spoken: its start no longer has to be handed on, and nothing told to it waits for that."""
    start = sa.and_(outbox.c.aggregate_id == process_id, outbox.c.subject == "start", outbox.c.handed_on_at.is_(None))
    await tx.execute(sa.update(outbox).where(start).values(handed_on_at=sa.func.statement_timestamp()))


async def settle(
    tx: AsyncSession, order_id: str, attempt: int, outcome: str, now: datetime, *, code: str = "", number: str = ""
) -> None:
    """Notes what came of a try; a refusal says more than the decline that undid it, and unsays no order."""
    open_try = (placements.c.order_id == order_id, placements.c.attempt == attempt)
    free = placements.c.outcome.in_(("", "declined") if outcome == "refused" else ("",))
    settled = {"outcome": outcome, "code": code, "order_number": number, "settled_at": now}
    await tx.execute(sa.update(placements).where(*open_try, free).values(settled))
