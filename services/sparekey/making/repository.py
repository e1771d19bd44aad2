"""Statements on the maker's look-ups of numbers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.chassis.rows import one
from services.sparekey.making.models import MakerCheck

checks = MakerCheck.table()


async def learn(tx: AsyncSession, check_id: str, order_id: str, **known: Any) -> None:
    """Adds to what is known of a look-up; what was known before stays."""
    new = insert(checks).values(check_id=check_id, order_id=order_id, **{"result": ""} | known)
    kept: dict[str, Any] = {
        name: sa.func.coalesce(sa.func.nullif(checks.c[name], "") if name == "result" else checks.c[name], value)
        for name, value in known.items()
    }
    # An update that changes nothing, so that two who learn of one check at once take turns.
    turn = kept or {"order_id": checks.c.order_id}
    await tx.execute(new.on_conflict_do_update(index_elements=["check_id"], set_=turn))


async def check_of_round(tx: AsyncSession, order_id: str, check_round: int) -> MakerCheck | None:
    found = sa.select(MakerCheck).where(
        col(MakerCheck.order_id) == order_id, col(MakerCheck.check_round) == check_round
    )
    return await one(tx, MakerCheck, found.limit(1))
