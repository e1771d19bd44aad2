from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.codes.models import Code, Flow, Purpose

_flows = Flow.table()
_codes = Code.table()


@dataclass(frozen=True)
class Tried:
    """A try that the code admitted."""

    right: bool
    tries: int


async def add_flow(tx: AsyncSession, flow: Flow) -> None:
    await tx.execute(sa.insert(_flows).values(flow.model_dump()))


async def flow(session: AsyncSession, flow_id: str, purpose: Purpose) -> Flow | None:
    return await _one_flow(session, _flow(flow_id, purpose))


async def hold_flow(tx: AsyncSession, flow_id: str, purpose: Purpose) -> Flow | None:
    """The flow, which stays as it is while the transaction lasts."""
    # The weaker lock: codes refer to the flow, and a full one would keep them waiting for their foreign key.
    return await _one_flow(tx, _flow(flow_id, purpose).with_for_update(key_share=True))


async def advance(tx: AsyncSession, flow_id: str, now: datetime) -> Flow | None:
    """Counts the next code of an open flow. Returns None when there is no such flow, or it is over."""
    open_flow = sa.update(_flows).where(_flows.c.id == flow_id, _flows.c.ended_at.is_(None), _flows.c.expires_at > now)
    advanced = open_flow.values(sequence=_flows.c.sequence + 1).returning(_flows)
    return await _one_flow(tx, advanced)


async def exists(session: AsyncSession, flow_id: str) -> bool:
    return bool((await session.execute(sa.select(sa.exists().where(_flows.c.id == flow_id)))).scalar_one())


async def end(tx: AsyncSession, flow_id: str, now: datetime) -> None:
    await tx.execute(sa.update(_flows).where(_flows.c.id == flow_id).values(ended_at=now))


async def put_code(tx: AsyncSession, code: Code) -> None:
    """Makes this the only code that counts at its address for its purpose (ID-02)."""
    fresh = insert(_codes).values(code.model_dump())
    others = {column.name: fresh.excluded[column.name] for column in _codes.c if not column.primary_key}
    await tx.execute(
        fresh.on_conflict_do_update(index_elements=[_codes.c.address_digest, _codes.c.purpose], set_=others)
    )


async def try_code(
    tx: AsyncSession, flow: Flow, address_digest: str, digest: str, most: int, now: datetime
) -> Tried | None:
    """Counts a try and uses the code up when it is the right one: one statement, so exactly one try can win (ID-05).

    Returns:
        None when there is no code that a try could be made at: used, expired, tried out, or overwritten by a newer one.
    """
    c = _codes.c
    admits = (c.flow_id == flow.id, c.used_at.is_(None), c.tries < most, c.expires_at > now)
    attempt = (
        sa.update(_codes)
        .where(c.address_digest == address_digest, c.purpose == flow.purpose, *admits)
        .values(tries=c.tries + 1, used_at=sa.case((c.digest == digest, now), else_=None))
        .returning(c.used_at.is_not(None), c.tries)
    )
    row = (await tx.execute(attempt)).one_or_none()
    return None if row is None else Tried(*row)


async def forget(tx: AsyncSession, before: datetime) -> None:
    """Deletes codes and flows that ended before then."""
    # Codes first: they refer to their flow, and the newest may live longer than the flow itself.
    await tx.execute(sa.delete(_codes).where(_codes.c.expires_at < before))
    in_use = sa.exists().where(_codes.c.flow_id == _flows.c.id)
    await tx.execute(sa.delete(_flows).where(_flows.c.expires_at < before, ~in_use))


def _flow(flow_id: str, purpose: Purpose) -> sa.Select[Any]:
    return sa.select(_flows).where(_flows.c.id == flow_id, _flows.c.purpose == purpose)


async def _one_flow(session: AsyncSession, statement: sa.Executable) -> Flow | None:
    row = (await session.execute(statement)).mappings().one_or_none()
    return None if row is None else Flow.make(**row)
