"""Statements on calls to the maker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.sparekey.calls.models import Call, Outcome, Verb

calls = Call.table()

_DOUBLED_AT_MOST = 6
_LETTING_GO = (Verb.RELEASE, Verb.REDELIVER)


async def open_call(tx: AsyncSession, call: Call) -> None:
    """Notes what is to be asked; a repeat changes nothing, but that what was refused is asked again."""
    again = {"settled_at": None, "outcome": "", "tries": calls.c.tries + 1, "tried_at": call.opened_at}
    refused = calls.c.outcome == Outcome.REFUSED
    noted = insert(calls).values(call.model_dump())
    await tx.execute(noted.on_conflict_do_update(index_elements=["key"], set_=again, where=refused))


async def open_calls(session: AsyncSession, order_id: str) -> Sequence[Call]:
    """What the maker has still to be asked for an order, oldest first."""
    found = sa.select(Call).where(col(Call.order_id) == order_id, col(Call.settled_at).is_(None))
    return (await session.scalars(found.order_by(col(Call.opened_at), col(Call.ordinal)))).all()


async def left_open(session: AsyncSession, now: datetime, after: timedelta, limit: int) -> Sequence[str]:
    """Orders with calls that were left open for so long, twice as long after each further try; the oldest first."""
    doubled = sa.func.power(2, sa.func.least(sa.func.greatest(calls.c.tries - 1, 0), _DOUBLED_AT_MOST))
    waited = sa.extract("epoch", sa.literal(now) - sa.func.coalesce(calls.c.tried_at, calls.c.opened_at))
    due = waited >= after.total_seconds() * doubled
    found = (
        sa.select(calls.c.order_id)
        .where(calls.c.settled_at.is_(None), due)
        .group_by(calls.c.order_id)
        .order_by(sa.func.min(calls.c.opened_at))
        .limit(limit)
    )
    return (await session.scalars(found)).all()


async def settle(tx: AsyncSession, key: str, outcome: Outcome, now: datetime, problem: str = "") -> bool:
    """Returns false when it was settled before."""
    waiting = sa.and_(calls.c.key == key, calls.c.settled_at.is_(None))
    settled = {"settled_at": now, "outcome": outcome, "problem": problem, "asking_until": None}
    done = sa.update(calls).where(waiting).values(settled).returning(calls.c.key)
    return (await tx.execute(done)).first() is not None


async def claim(tx: AsyncSession, call: Call, seconds: int) -> bool:
    """Whether this call may be asked now: it is open, and no other of the order is being asked.

    Two that claim different calls of one order do not see each other: the caller makes them take turns.
    """
    other = calls.alias()
    asked = sa.exists().where(other.c.order_id == call.order_id, other.c.asking_until > sa.func.now())
    free = (calls.c.key == call.key, calls.c.settled_at.is_(None), ~asked)
    # Not a lock: who dies while asking keeps the others from this order only as long as this.
    until = sa.func.now() + sa.text(f"interval '{seconds} seconds'")
    claimed = sa.update(calls).where(*free).values(asking_until=until).returning(calls.c.key)
    return (await tx.execute(claimed)).first() is not None


async def tried(tx: AsyncSession, key: str, now: datetime, problem: str) -> None:
    again = {"tries": calls.c.tries + 1, "tried_at": now, "problem": problem, "asking_until": None}
    await tx.execute(sa.update(calls).where(calls.c.key == key).values(again))


async def withdraw(tx: AsyncSession, order_id: str, verbs: Sequence[Verb], now: datetime) -> None:
    """These are no longer to be asked."""
    waiting = (calls.c.order_id == order_id, calls.c.verb.in_(verbs), calls.c.settled_at.is_(None))
    await tx.execute(sa.update(calls).where(*waiting).values(settled_at=now, outcome=Outcome.WITHDRAWN))


async def note_address(tx: AsyncSession, key: str, mark: str) -> str:
    """Notes where a key is let go to, once for each call, by the address's mark. Returns what stands there."""
    known = sa.func.coalesce(sa.func.nullif(calls.c.goes_to, ""), mark)
    noted = sa.update(calls).where(calls.c.key == key).values(goes_to=known).returning(calls.c.goes_to)
    return str(await tx.scalar(noted))


async def goes_to(session: AsyncSession, order_id: str) -> str:
    """The mark of the address that the maker was last told to let a key go to; empty before that."""
    told = sa.select(calls.c.goes_to).where(calls.c.order_id == order_id, calls.c.verb.in_(_LETTING_GO))
    return await session.scalar(told.order_by(calls.c.ordinal.desc()).limit(1)) or ""


async def ever(session: AsyncSession, order_id: str, verb: Verb) -> bool:
    """Whether the maker was, or may have been, asked this for the order."""
    return bool(await session.scalar(sa.select(sa.exists().where(calls.c.order_id == order_id, calls.c.verb == verb))))
