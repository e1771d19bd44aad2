"""SQL of partners' messages."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.webhooks.models import TakenWebhook

_T = TakenWebhook.table().c
_SEEN = sa.select(sa.exists().where(_T.partner == sa.bindparam("by"), _T.event_id == sa.bindparam("event")))
_TAKE = insert(TakenWebhook.table()).on_conflict_do_nothing().returning(_T.event_id)


async def seen(session: AsyncSession, partner: str, event_id: str) -> bool:
    return bool(await session.scalar(_SEEN, {"by": partner, "event": event_id}))


async def take(tx: AsyncSession, webhook: TakenWebhook) -> bool:
    """Notes that it was taken; false when it had been before."""
    return (await tx.execute(_TAKE, webhook.model_dump())).first() is not None
