from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.identity.consents.models import Consent

_t = Consent.table()


async def add(tx: AsyncSession, consents: Sequence[Consent]) -> None:
    rows = [consent.model_dump() for consent in consents]
    await tx.execute(insert(_t).values(rows).on_conflict_do_nothing(constraint="consents_once"))


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Consent]:
    given = sa.select(Consent).where(_t.c.member_id == member_id)
    return (await session.scalars(page.of(given, _t.c.id))).all()
