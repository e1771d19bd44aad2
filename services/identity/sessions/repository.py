from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.identity.models import Language
from services.identity.profiles.models import Profile
from services.identity.sessions.models import Device, Session

_sessions = Session.table()
_devices = Device.table()
_profiles = Profile.table()


async def add_device(tx: AsyncSession, device: Device) -> None:
    await tx.execute(sa.insert(_devices).values(device.model_dump()))


async def see_device(tx: AsyncSession, device_id: str, now: datetime) -> None:
    await tx.execute(sa.update(_devices).where(_devices.c.id == device_id).values(seen_at=now))


async def add(tx: AsyncSession, session: Session) -> None:
    await tx.execute(sa.insert(_sessions).values(session.model_dump()))


async def by_token(session: AsyncSession, token_digest: str) -> tuple[Session, Language] | None:
    joined = _sessions.join(_profiles, _profiles.c.member_id == _sessions.c.member_id)
    found = sa.select(_sessions, _profiles.c.language).select_from(joined)
    row = (await session.execute(found.where(_sessions.c.token_digest == token_digest))).mappings().one_or_none()
    return None if row is None else (Session.make(**row), row["language"])


async def touch(session: AsyncSession, session_id: str, unless_since: datetime, now: datetime, until: datetime) -> None:
    """Notes the last use, unless another request has just done so."""
    seen = (_sessions.c.id == session_id, _sessions.c.ended_at.is_(None), _sessions.c.seen_at <= unless_since)
    bounded = sa.func.least(until, _sessions.c.absolute_until)
    await session.execute(sa.update(_sessions).where(*seen).values(seen_at=now, idle_until=bounded))


async def end(tx: AsyncSession, member_id: str, session_id: str, now: datetime) -> bool:
    """Ends a living session of the member; false when there is none of this id."""
    living = (*_of(member_id, session_id), *_living(now))
    ended = sa.update(_sessions).where(*living).values(ended_at=now).returning(_sessions.c.id)
    return (await tx.execute(ended)).one_or_none() is not None


async def exists(session: AsyncSession, member_id: str, session_id: str) -> bool:
    return bool((await session.execute(sa.select(sa.exists().where(*_of(member_id, session_id))))).scalar_one())


async def living(session: AsyncSession, member_id: str, now: datetime, page: Page) -> Sequence[Session]:
    found = sa.select(Session).where(_sessions.c.member_id == member_id, *_living(now))
    return (await session.scalars(page.of(found, _sessions.c.id))).all()


def _of(member_id: str, session_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _sessions.c.id == session_id, _sessions.c.member_id == member_id


def _living(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _sessions.c.ended_at.is_(None), _sessions.c.idle_until > now
