from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.identity.journal.models import Entry

_t = Entry.table()


async def add(tx: AsyncSession, entry: Entry) -> None:
    await tx.execute(sa.insert(_t).values(entry.model_dump()))


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Entry]:
    written = sa.select(Entry).where(_t.c.member_id == member_id)
    return (await session.scalars(page.of(written, _t.c.id))).all()
