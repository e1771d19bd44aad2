"""What an order's page is made of, read in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
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


_line = sa.func.jsonb_build_array(timeline.c.code, timeline.c.at, timeline.c.params)
_told = sa.func.jsonb_agg(aggregate_order_by(_line, timeline.c.at, timeline.c.position))
# Gathered for the rows that are shown: the database stops at the limit before it comes to what is selected.
_STORY = sa.select(sa.type_coerce(_told, JSONB)).where(timeline.c.order_id == cases.c.order_id).scalar_subquery()
_ORDERS = sa.select(Case, SealedNumber, _STORY).outerjoin(
    SealedNumber, col(SealedNumber.number_id) == col(Case.number_id)
)
# To make a statement costs more than to run it.
_ONE = _ORDERS.where(col(Case.order_id) == sa.bindparam("order_id"))


async def one(session: AsyncSession, order_id: str) -> Row | None:
    found = (await session.execute(_ONE, {"order_id": order_id})).one_or_none()
    return _row(*found) if found else None


async def of_member(session: AsyncSession, member_id: str, page: Page) -> Sequence[Row]:
    """A member's orders without drafts, as `Page.of`."""
    mine = _ORDERS.where(col(Case.member_id) == member_id, col(Case.state) != State.DRAFT)
    return [_row(*found) for found in await session.execute(page.of(mine, cases.c.order_id))]


def _row(case: Case, number: SealedNumber | None, story: list[Any] | None) -> Row:
    return case, number, [Line(code, datetime.fromisoformat(at), params) for code, at, params in story or []]
