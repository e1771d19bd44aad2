from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.members.models import ProvedAddress
from services.identity.profiles.models import Profile

_t = Profile.table()
_addresses = ProvedAddress.table()


async def add(tx: AsyncSession, profile: Profile) -> None:
    await tx.execute(sa.insert(_t).values(profile.model_dump()))


async def find(session: AsyncSession, member_id: str) -> sa.RowMapping | None:
    """The profile with the proved addresses as `email` and `phone`, empty where there is none."""
    columns = [_proved("email").label("email"), _proved("sms").label("phone")]
    found = sa.select(_t, *columns).where(_t.c.member_id == member_id)
    return (await session.execute(found)).mappings().one_or_none()


async def edit(tx: AsyncSession, member_id: str, version: int, changes: Mapping[str, Any]) -> bool:
    """Edits that version of a profile; false when there is another one by now."""
    same = (_t.c.member_id == member_id, _t.c.version == version)
    edited = sa.update(_t).where(*same).values({**changes, "version": version + 1}).returning(_t.c.version)
    return (await tx.execute(edited)).one_or_none() is not None


def _proved(channel: str) -> sa.ColumnElement[str]:
    of_member = (_addresses.c.member_id == _t.c.member_id, _addresses.c.channel == channel)
    return sa.func.coalesce(sa.select(_addresses.c.address).where(*of_member).scalar_subquery(), "")
