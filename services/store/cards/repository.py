"""SQL of members' cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.chassis.rows import every, one
from services.store.cards.models import Card, Customer

_T, _C = Card.table().c, Customer.table().c


async def usable(session: AsyncSession, member_id: str, card_id: str) -> Card | None:
    """A card of this member's that the processor still knows, by our id or by the processor's."""
    own = sa.select(Card).where(_T.member_id == member_id, _T.detached_at.is_(None))
    return await one(session, Card, own.where(sa.or_(_T.card_id == card_id, _T.processor_ref == card_id)))


async def add(tx: AsyncSession, card: Card) -> None:
    """Keeps what is known of a card; one that is known already stays as it is."""
    await tx.execute(insert(Card.table()).values(card.model_dump()).on_conflict_do_nothing())


async def customer(session: AsyncSession, member_id: str) -> str | None:
    found: str | None = await session.scalar(sa.select(_C.processor_ref).where(_C.member_id == member_id))
    return found


async def add_customer(tx: AsyncSession, member_id: str, processor_ref: str) -> None:
    row = insert(Customer.table()).values(member_id=member_id, processor_ref=processor_ref)
    await tx.execute(row.on_conflict_do_nothing())


_KEEP = sa.update(Card.table()).where(_T.card_id == sa.bindparam("key"), _T.kept_at.is_(None))


async def keep(tx: AsyncSession, card_id: str, now: datetime) -> None:
    """From now on it is offered for other orders."""
    await tx.execute(_KEEP, {"key": card_id, "kept_at": now})


async def forgotten(tx: AsyncSession, processor_ref: str, now: datetime) -> None:
    """The processor no longer knows it."""
    known = sa.update(Card.table()).where(_T.processor_ref == processor_ref, _T.detached_at.is_(None))
    await tx.execute(known.values(detached_at=now, kept_at=None))


async def kept(session: AsyncSession, member_id: str, page: Page) -> Sequence[Card]:
    """One page of the cards that a member keeps and one more, if there is one; newest first."""
    found = sa.select(Card).where(_T.member_id == member_id, _T.kept_at.is_not(None))
    return await every(session, Card, page.of(found, _T.card_id))
