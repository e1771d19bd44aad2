"""What an order's page is made of, read in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from services.chassis.pages import Page
from services.sparekey.cases.models import Case, Entry
from services.sparekey.cases.transitions import State
from services.sparekey.numbers.models import SealedNumber

cases, timeline = Case.table(), Entry.table()


@dataclass(frozen=True)
class Line:
    """A line of the timeline."""

    code: str
    at: datetime
    params: dict[str, str]


Row = tuple[Case, SealedNumber | None, list[Line]]


async def one(session: AsyncSession, order_id: str) -> Row | None:
    found = await _read(session, sa.select(Case).where(col(Case.order_id) == order_id))
    return found[0] if found else None


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Row]:
    """A member's orders without drafts, as `Page.of`."""
    mine = sa.select(Case).where(col(Case.member_id) == member_id, col(Case.state) != State.DRAFT)
    return await _read(session, page.of(mine, cases.c.order_id))


async def _read(session: AsyncSession, chosen: sa.Select[Case]) -> Sequence[Row]:
    # The page is chosen first, so that only its orders' lines are gathered.
    case = aliased(Case, chosen.subquery())
    line = sa.func.jsonb_build_array(timeline.c.code, timeline.c.at, timeline.c.params)
    told = sa.func.jsonb_agg(aggregate_order_by(line, timeline.c.at, timeline.c.position))
    story = sa.select(sa.type_coerce(told, JSONB)).where(timeline.c.order_id == case.order_id).scalar_subquery()
    numbered = sa.select(case, SealedNumber, story).outerjoin(
        SealedNumber, col(SealedNumber.number_id) == col(case.number_id)
    )
    return [
        (row, number, [Line(code, datetime.fromisoformat(at), params) for code, at, params in said or []])
        for row, number, said in await session.execute(numbered.order_by(col(case.order_id).desc()))
    ]
