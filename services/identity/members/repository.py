from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.identity.members.models import Member, ProvedAddress

_members = Member.table()
_addresses = ProvedAddress.table()

ADDRESS_TAKEN = "addresses_pkey"


async def has_account(session: AsyncSession, address: str) -> bool:
    found = sa.select(sa.exists().where(_addresses.c.address == address))
    return bool((await session.execute(found)).scalar_one())


async def add(tx: AsyncSession, member: Member, address: ProvedAddress) -> None:
    """Adds a member with an address; an IntegrityError of `ADDRESS_TAKEN` says that it has an account."""
    await tx.execute(sa.insert(_members).values(member.model_dump()))
    await tx.execute(sa.insert(_addresses).values(address.model_dump()))


async def keep_password(tx: AsyncSession, member_id: str, compared: str, kept: str) -> bool:
    """Puts the hash to keep in the place of the one that was compared; false when it was changed meanwhile."""
    same = (_members.c.id == member_id, _members.c.password_hash == compared)
    replaced = sa.update(_members).where(*same).values(password_hash=kept).returning(_members.c.id)
    return (await tx.execute(replaced)).one_or_none() is not None
