from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.members.models import Member, ProvedAddress
from services.identity.sessions.models import Device

_members = Member.table()
_addresses = ProvedAddress.table()
_devices = Device.table()


@dataclass(frozen=True, repr=False)
class Known:
    """What is known of somebody who wants in: all None where the address has no account.

    Attributes:
        device_id: the device shown, if it is one of that account.
    """

    member_id: str | None = None
    password_hash: str | None = None
    device_id: str | None = None


async def known(session: AsyncSession, address: str, device_digest: str, device_seen_since: datetime) -> Known:
    # One statement, whether or not there is such an account or device: the time must not tell (ID-06).
    d = _devices.c
    shown = (d.member_id == _members.c.id, d.token_digest == device_digest, d.seen_at > device_seen_since)
    joined = _addresses.join(_members, _members.c.id == _addresses.c.member_id).outerjoin(_devices, sa.and_(*shown))
    found = sa.select(_members.c.id, _members.c.password_hash, d.id).select_from(joined)
    row = (await session.execute(found.where(_addresses.c.address == address))).one_or_none()
    return Known() if row is None else Known(*row)
