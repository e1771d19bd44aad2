"""Statements on code pairs and on the wrong ones that were tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.rooms.codes.models import IssuedCodes, Scope, WrongCodes
from services.rooms.leases.repository import buildings, leases, over, rooms

codes, wrong_codes = IssuedCodes.table(), WrongCodes.table()


async def lock_lease(tx: AsyncSession, code: str, day: date) -> sa.RowMapping | None:
    """A lease by its code, with whether it is `over`; whoever else changes its pair or its seat waits."""
    later = leases.alias()
    found = sa.select(leases.c.id, over(leases.c, later.c, day).label("over")).where(leases.c.code == code)
    locked = found.with_for_update(of=leases, key_share=True)
    return (await tx.execute(locked)).mappings().one_or_none()


async def kill_pair(tx: AsyncSession, lease_id: str, now: datetime) -> None:
    living = sa.update(codes).where(codes.c.lease_id == lease_id, codes.c.died_at.is_(None))
    await tx.execute(living.values(died_at=now))


async def keep_pair(tx: AsyncSession, pair: IssuedCodes) -> bool:
    """Keeps a new pair. Returns false when its code ① is that of another."""
    kept = insert(codes).values(pair.model_dump()).on_conflict_do_nothing(index_elements=["digest1"])
    return (await tx.execute(kept.returning(codes.c.digest1))).first() is not None


async def living_pair(tx: AsyncSession, digest1: str, day: date) -> sa.RowMapping | None:
    """The lease that a code ① opens, with `digest2`; the lease is locked, so that one registers at a time."""
    later = leases.alias()
    found = (
        sa.select(leases, codes.c.digest2, rooms.c.number.label("room_number"), buildings.c.name.label("building_name"))
        .join(codes, codes.c.lease_id == leases.c.id)
        .join(rooms, rooms.c.id == leases.c.room_id)
        .join(buildings, buildings.c.id == rooms.c.building_id)
        .where(codes.c.digest1 == digest1, codes.c.died_at.is_(None), ~over(leases.c, later.c, day))
    )
    locked = found.with_for_update(of=leases, key_share=True)
    return (await tx.execute(locked)).mappings().one_or_none()


async def count_try(
    tx: AsyncSession,
    tried: Mapping[Scope, str],
    limits: Mapping[Scope, int],
    *,
    wrong: bool,
    now: datetime,
    until: datetime,
) -> datetime | None:
    """Counts a try, where none of its counters is full; the counters stay locked until the transaction ends.

    Returns:
        Until when no more tries are taken, where a counter is full: the transaction is then to be undone.
    """
    # In order, so that of two tries that share counters none holds one while it waits for another.
    rows = [
        {"scope": scope, "digest": digest, "count": int(wrong), "until": until}
        for scope, digest in sorted(tried.items())
    ]
    statement = insert(wrong_codes).values(rows)
    fresh, kept = statement.excluded, wrong_codes.c
    lapsed = kept.until <= now
    counted = statement.on_conflict_do_update(
        index_elements=["scope", "digest"],
        set_={
            "count": fresh.count + sa.case((lapsed, 0), else_=kept["count"]),
            "until": sa.case((lapsed, fresh.until), else_=kept.until),
        },
        where=sa.or_(lapsed, kept["count"] < sa.case(limits, value=kept.scope)),
    )
    # A counter that is full is not changed, and what is not changed is not returned.
    open_counters = (await tx.execute(counted.returning(kept.scope))).scalars().all()
    if len(open_counters) == len(rows):
        return None
    mine = sa.tuple_(kept.scope, kept.digest).in_(list(tried.items()))
    full = sa.select(sa.func.max(kept.until)).where(mine, kept.scope.not_in(open_counters))
    last: datetime = (await tx.execute(full)).scalar_one()
    return last


async def forget_tries(tx: AsyncSession, now: datetime) -> None:
    await tx.execute(sa.delete(wrong_codes).where(wrong_codes.c.until <= now))
