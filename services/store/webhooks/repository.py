"""SQL of partners' messages."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.webhooks.models import TakenWebhook

_T = TakenWebhook.table().c


async def seen(session: AsyncSession, partner: str, event_id: str) -> bool:
    found = sa.select(_T.event_id).where(_T.partner == partner, _T.event_id == event_id)
    return (await session.execute(found)).first() is not None


async def take(tx: AsyncSession, webhook: TakenWebhook) -> bool:
    """Notes that it was taken; false when it had been before."""
    row = insert(TakenWebhook.table()).values(webhook.model_dump()).on_conflict_do_nothing()
    return (await tx.execute(row.returning(_T.event_id))).first() is not None
