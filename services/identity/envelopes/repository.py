from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.envelopes.models import Envelope

_t = Envelope.table()


async def add(tx: AsyncSession, envelope: Envelope) -> None:
    await tx.execute(sa.insert(_t).values(envelope.model_dump()))


async def find(session: AsyncSession, envelope_id: str) -> Envelope | None:
    row = (await session.execute(sa.select(_t).where(_t.c.id == envelope_id))).mappings().one_or_none()
    return None if row is None else Envelope.make(**row)


async def destroy(tx: AsyncSession, now: datetime, *which: sa.ColumnElement[bool]) -> bool:
    """Takes keys and contents out of envelopes. Returns whether any still had them."""
    emptied = {"wrapped_key": None, "ciphertext": None, "destroyed_at": now}
    living = sa.update(_t).where(_t.c.destroyed_at.is_(None), *which)
    return (await tx.execute(living.values(emptied).returning(_t.c.id))).first() is not None


def by_id(envelope_id: str) -> sa.ColumnElement[bool]:
    return _t.c.id == envelope_id


def of_flow(flow_id: str) -> sa.ColumnElement[bool]:
    return _t.c.flow_id == flow_id


def overdue(now: datetime) -> sa.ColumnElement[bool]:
    return _t.c.expires_at <= now


async def forget(tx: AsyncSession, before: datetime) -> None:
    await tx.execute(sa.delete(_t).where(_t.c.expires_at < before))
