from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.throttles.models import Throttle

_t = Throttle.table()


async def move(tx: AsyncSession, steps: Mapping[str, timedelta], now: datetime) -> Mapping[str, datetime]:
    """Counts each key by its step, all at once, and holds their rows: whoever counts the same waits for us."""
    # In one order everywhere, so that two transactions never wait for each other.
    rows = [{"key": key, "forgotten_at": now + step} for key, step in sorted(steps.items())]
    fresh = insert(_t).values(rows)
    step = fresh.excluded.forgotten_at - sa.literal(now, sa.DateTime(timezone=True))
    # A count whose instant has passed starts again from now; else the step is added to what is still counted.
    moved = fresh.on_conflict_do_update(
        index_elements=[_t.c.key], set_={"forgotten_at": sa.func.greatest(_t.c.forgotten_at, now) + step}
    )
    return {key: at for key, at in await tx.execute(moved.returning(_t.c.key, _t.c.forgotten_at))}  # noqa: C416  # rows


async def read(session: AsyncSession, keys: Iterable[str]) -> Mapping[str, datetime]:
    found = await session.execute(sa.select(_t.c.key, _t.c.forgotten_at).where(_t.c.key.in_(list(keys))))
    return {key: at for key, at in found}  # noqa: C416  # rows


async def forget(tx: AsyncSession, before: datetime) -> None:
    await tx.execute(sa.delete(_t).where(_t.c.forgotten_at < before))
