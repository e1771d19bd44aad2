from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.journal.models import Entry
from services.identity.pages.models import Page

_t = Entry.table()


async def add(tx: AsyncSession, entry: Entry) -> None:
    await tx.execute(sa.insert(_t).values(entry.model_dump()))


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Entry]:
    found = page.of(sa.select(_t).where(_t.c.member_id == member_id), _t.c.id)
    return [Entry.make(**row) for row in (await session.execute(found)).mappings()]
