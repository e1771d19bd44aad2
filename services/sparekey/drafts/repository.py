"""Statements on drafts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import State

cases = Case.table()


async def put_draft(tx: AsyncSession, draft: Case, changed: Columns) -> bool:
    """Opens a draft, or changes the one that is open. Returns false when the order is no longer a draft."""
    opened = insert(cases).values(draft.model_dump())
    # Two tabs put the same row: the second changes what the first has opened.
    put = opened.on_conflict_do_update(
        index_elements=["order_id"],
        set_={**changed, "version": cases.c.version + 1},
        where=sa.and_(cases.c.state == State.DRAFT, cases.c.member_id == draft.member_id),
    ).returning(cases.c.order_id)
    return (await tx.execute(put)).first() is not None


async def edit_draft(tx: AsyncSession, draft: Case, values: Columns) -> bool:
    """Changes a draft that still is as it was read."""
    as_read = (
        cases.c.order_id == draft.order_id,
        cases.c.state == State.DRAFT,
        cases.c.version == draft.version,
    )
    edited = sa.update(cases).where(*as_read).values(**values, version=draft.version + 1).returning(cases.c.order_id)
    return (await tx.execute(edited)).first() is not None


async def delete_draft(tx: AsyncSession, order_id: str, member_id: str) -> bool:
    """Deletes a draft with its number."""
    mine = (cases.c.order_id == order_id, cases.c.member_id == member_id, cases.c.state == State.DRAFT)
    deleted = sa.delete(cases).where(*mine).returning(cases.c.order_id)
    return (await tx.execute(deleted)).first() is not None
