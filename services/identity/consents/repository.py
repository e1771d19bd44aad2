from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.consents.models import Consent
from services.identity.pages.models import Page

_t = Consent.table()


async def add(tx: AsyncSession, consents: Sequence[Consent]) -> None:
    rows = [consent.model_dump() for consent in consents]
    await tx.execute(insert(_t).values(rows).on_conflict_do_nothing(constraint="consents_once"))


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Consent]:
    found = page.of(sa.select(_t).where(_t.c.member_id == member_id), _t.c.id)
    return [Consent.make(**row) for row in (await session.execute(found)).mappings()]
