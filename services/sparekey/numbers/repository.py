"""Statements on key numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.chassis.sealing import Sealed
from services.sparekey.cases.repository import cases
from services.sparekey.cases.transitions import State
from services.sparekey.models import requests
from services.sparekey.numbers.models import SealedNumber

numbers = SealedNumber.table()

# Keyed digests of these commands' contents would still let what is erased be guessed by whoever holds the key.
_COMMANDS_TO_FORGET = ("EnterKeyNumber", "ReplyKeyNumber", "DeskEnterKeyNumber")


async def keep(tx: AsyncSession, number: SealedNumber) -> None:
    await tx.execute(sa.insert(numbers).values(number.model_dump()))


async def find(session: AsyncSession, number_ids: Sequence[str]) -> dict[str, SealedNumber]:
    rows = await session.scalars(sa.select(SealedNumber).where(col(SealedNumber.number_id).in_(number_ids)))
    return {row.number_id: row for row in rows}


async def drop(tx: AsyncSession, number_id: str) -> None:
    await tx.execute(sa.delete(numbers).where(numbers.c.number_id == number_id))


async def erase(tx: AsyncSession, before: datetime, now: datetime) -> int:
    """Takes key, nonce and ciphertext out of the numbers of orders that ended, and of drafts last touched, by then.

    Returns:
        From how many numbers they were taken.
    """
    orders = sa.select(cases.c.order_id).where(_over(before))
    nothing = {"key_id": None, "wrapped_key": None, "nonce": None, "ciphertext": None}
    erased = (
        sa.update(numbers)
        .where(numbers.c.order_id.in_(orders), numbers.c.erased_at.is_(None))
        .values(nothing | {"erased_at": now})
        .returning(numbers.c.number_id)
    )
    return len((await tx.execute(erased)).all())


def _over(before: datetime) -> sa.ColumnElement[bool]:
    untouched = sa.and_(cases.c.state == State.DRAFT, cases.c.touched_at <= before)
    return sa.or_(cases.c.ended_at <= before, untouched)


async def forget_contents(tx: AsyncSession, before: datetime) -> None:
    """Forgets that commands with what is erased were asked: their answers are no longer given again."""
    old = sa.and_(requests.c.command.in_(_COMMANDS_TO_FORGET), requests.c.asked_at < before)
    await tx.execute(sa.delete(requests).where(old))


async def under_old_keys(tx: AsyncSession, current: str, limit: int) -> Sequence[SealedNumber]:
    """Living numbers whose key is wrapped by a master key that is not the current one; locked."""
    found = (
        sa.select(SealedNumber)
        .where(col(SealedNumber.erased_at).is_(None), col(SealedNumber.key_id) != current)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await tx.scalars(found)).all()


async def rewrap(tx: AsyncSession, number_id: str, sealed: Sealed) -> None:
    living = sa.and_(numbers.c.number_id == number_id, numbers.c.erased_at.is_(None))
    await tx.execute(sa.update(numbers).where(living).values(asdict(sealed)))
