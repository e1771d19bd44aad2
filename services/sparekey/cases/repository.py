"""Statements on cases and their timelines."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.chassis.db import Database
from services.chassis.errors import NotFound
from services.chassis.pages import Page
from services.chassis.rows import one
from services.sparekey.cases.models import ABOUT_TO_LEAVE, Case, Columns, Entry
from services.sparekey.cases.transitions import State

cases, timeline = Case.table(), Entry.table()


async def get(session: AsyncSession, order_id: str) -> Case | None:
    found = sa.select(Case).where(col(Case.order_id) == order_id)
    return await one(session, Case, found)


async def found(session: AsyncSession, order_id: str) -> Case:
    """The case as it is.

    Raises:
        NotFound: there is none.
    """
    case = await get(session, order_id)
    if case is None:
        raise NotFound
    return case


async def read(database: Database, order_id: str) -> Case:
    """The case as it is, for those who have no session open; errors as `found`."""
    async with database.reading() as session:
        return await found(session, order_id)


async def take_turn(tx: AsyncSession, order_id: str) -> None:
    """Whoever else takes a turn at this case waits until the end of the transaction."""
    await tx.execute(sa.select(cases.c.order_id).where(cases.c.order_id == order_id).with_for_update())


async def move(tx: AsyncSession, case: Case, values: Columns) -> Case | None:
    """Changes a case that still is as it was read, and makes it one version older; nothing when it is not (PR-06)."""
    as_read = (cases.c.order_id == case.order_id, cases.c.state == case.state, cases.c.version == case.version)
    moved = sa.update(Case).where(*as_read).values(**values, version=case.version + 1).returning(Case)
    return await one(tx, Case, moved)


async def look_again(tx: AsyncSession, *which: sa.ColumnElement[bool]) -> Sequence[str]:
    """Notes of those keys that are about to leave that a look is due; one statement. Returns their orders."""
    due = sa.update(cases).where(sa.text(f"({ABOUT_TO_LEAVE})"), *which)
    noted = due.values(look_due=True, version=cases.c.version + 1).returning(cases.c.order_id)
    return (await tx.scalars(noted)).all()


async def tell(tx: AsyncSession, entries: Sequence[Entry]) -> None:
    if entries:
        await tx.execute(sa.insert(timeline), [entry.model_dump(exclude={"position"}) for entry in entries])


async def for_operators(session: AsyncSession, page: Page, *, needing: bool) -> Sequence[Case]:
    """Cases, or those that need a person, as `Page.of`."""
    found = sa.select(Case).where(col(Case.state) != State.DRAFT)
    if needing:
        found = found.where(col(Case.needs_operator) != "")
    return (await session.scalars(page.of(found, cases.c.order_id))).all()
