"""SQL of coupons: every use is decided by a conditional UPDATE (QA-03)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.coupons.models import Coupon, CouponUses, Redemption
from services.store.repository import every, one

_C, _U, _R = Coupon.table().c, CouponUses.table().c, Redemption.table().c


async def put(tx: AsyncSession, coupons: Iterable[Coupon]) -> int:
    """Adds coupons, or changes the terms of those of the same code. Returns how many are not as they were."""
    new = insert(Coupon.table()).values([coupon.model_dump() for coupon in coupons])
    kept = [column for column in _C if column.name not in {"code", "used"}]
    changed = sa.tuple_(*kept).is_distinct_from(sa.tuple_(*(new.excluded[column.name] for column in kept)))
    values = {column.name: new.excluded[column.name] for column in kept}
    done = new.on_conflict_do_update(index_elements=[_C.code], set_=values, where=changed).returning(_C.code)
    return len((await tx.execute(done)).all())


async def get(session: AsyncSession, code: str, member_id: str) -> tuple[Coupon | None, int]:
    """A coupon, and how often the member has used it."""
    coupon = await one(session, Coupon, sa.select(Coupon).where(_C.code == code))
    used = await session.scalar(sa.select(_U.used).where(_U.code == code, _U.member_id == member_id))
    return coupon, used or 0


async def open_to(session: AsyncSession, member_id: str, today: date) -> Sequence[Coupon]:
    """Coupons whose window is open and which neither the member nor all together have used up."""
    mine = sa.and_(_U.code == _C.code, _U.member_id == member_id, _U.used >= _C.uses_per_member)
    found = (
        sa.select(Coupon)
        .where(_C.first_day <= today, _C.last_day >= today, _C.used < _C.uses_total)
        .where(~sa.exists().where(mine))
        .order_by(_C.last_day, _C.code)
        .limit(100)
    )
    return await every(session, Coupon, found)


async def redeem(tx: AsyncSession, redemption: Redemption) -> bool:
    """Uses a coupon once more, unless it or the member has used it up."""
    in_all = (
        sa.update(Coupon.table())
        .where(_C.code == redemption.code, _C.used < _C.uses_total)
        .values(used=_C.used + 1)
        .returning(_C.uses_per_member)
    )
    per_member = await tx.scalar(in_all)
    if per_member is None:
        return False
    mine = insert(CouponUses.table()).values(code=redemption.code, member_id=redemption.member_id, used=1)
    once_more = mine.on_conflict_do_update(
        index_elements=[_U.code, _U.member_id], set_={"used": _U.used + 1}, where=_U.used < per_member
    ).returning(_U.used)
    if (await tx.execute(once_more)).first() is None:
        return False
    tx.add(redemption)
    await tx.flush()
    return True


async def undo(tx: AsyncSession, order_id: str, now: datetime) -> None:
    """The use of an order is free again; one that is free already stays so."""
    standing = (
        sa.update(Redemption.table())
        .where(_R.order_id == order_id, _R.undone_at.is_(None))
        .values(undone_at=now)
        .returning(_R.code, _R.member_id)
    )
    for code, member_id in (await tx.execute(standing)).all():
        await tx.execute(sa.update(Coupon.table()).where(_C.code == code).values(used=_C.used - 1))
        mine = sa.update(CouponUses.table()).where(_U.code == code, _U.member_id == member_id)
        await tx.execute(mine.values(used=_U.used - 1))
