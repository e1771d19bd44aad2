"""Statements on claims to a seat that is taken."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.rooms.conflicts.models import Conflict, Outcome
from services.rooms.leases.repository import leases, over

conflicts = Conflict.table()
_open = conflicts.c.outcome.is_(None)
Which = sa.ColumnElement[bool]
"""Which claims a statement is about."""


async def open_claim(tx: AsyncSession, conflict: Conflict) -> tuple[str, bool]:
    """Opens a claim, or finds the one that the claimant has there already. Returns its id, and whether it is new."""
    opened = insert(conflicts).values(conflict.model_dump()).on_conflict_do_nothing().returning(conflicts.c.id)
    if (await tx.execute(opened)).first() is not None:
        return conflict.id, True
    same = (conflicts.c.lease_id == conflict.lease_id, conflicts.c.claimant_id == conflict.claimant_id)
    found = await tx.execute(sa.select(conflicts.c.id).where(*same, _open))
    return found.scalar_one(), False


async def lock(tx: AsyncSession, conflict_id: str, day: date) -> sa.RowMapping | None:
    """A claim with its lease's room and whether the lease is `over`; the lease is locked."""
    later = leases.alias()
    found = (
        sa.select(conflicts, leases.c.room_id, over(leases.c, later.c, day).label("over"))
        .join(leases, leases.c.id == conflicts.c.lease_id)
        .where(conflicts.c.id == conflict_id)
    )
    return (await tx.execute(found.with_for_update(of=leases, key_share=True))).mappings().one_or_none()


def one(conflict_id: str) -> Which:
    return conflicts.c.id == conflict_id


def all_on(lease_ids: Collection[str]) -> Which:
    return conflicts.c.lease_id.in_(lease_ids)


async def settle(
    tx: AsyncSession, which: Which, outcome: Outcome, now: datetime, by: str, reason: str
) -> list[tuple[str, str]]:
    """Ends the open claims that `which` finds. Returns their ids and claimants."""
    settled = sa.update(conflicts).where(_open, which)
    settled = settled.values(outcome=outcome, settled_at=now, settled_by=by, reason=reason)
    found = await tx.execute(settled.returning(conflicts.c.id, conflicts.c.claimant_id))
    return [(conflict_id, claimant_id) for conflict_id, claimant_id in found]
