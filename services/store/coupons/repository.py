"""SQL of coupons: every use is decided by a conditional UPDATE (QA-03)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.rows import every
from services.store.coupons.models import Coupon, CouponUses, Redemption

_C, _U, _R = Coupon.table().c, CouponUses.table().c, Redemption.table().c


async def put(tx: AsyncSession, coupons: Iterable[Coupon]) -> int:
    """Adds coupons, or changes the terms of those of the same code. Returns how many are not as they were."""
    new = insert(Coupon.table()).values([coupon.model_dump() for coupon in coupons])
    kept = [column for column in _C if column.name not in {"code", "used"}]
    changed = sa.tuple_(*kept).is_distinct_from(sa.tuple_(*(new.excluded[column.name] for column in kept)))
    values = {column.name: new.excluded[column.name] for column in kept}
    done = new.on_conflict_do_update(index_elements=[_C.code], set_=values, where=changed).returning(_C.code)
    return len((await tx.execute(done)).all())


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


# The coupon's row is always locked before the member's, so that no two wait for each other. Where the member has used
# theirs up the first update was made for nothing: whoever asked rolls it back.
_REDEEM = sa.text("""
with in_all as (
  update store.coupons set used = used + 1 where code = :code and used < uses_total returning uses_per_member
), mine as (
  insert into store.coupon_uses as mine (code, member_id, used) select :code, :member_id, 1 from in_all
  on conflict (code, member_id) do update set used = mine.used + 1
    where mine.used < (select uses_per_member from in_all)
  returning code
)
insert into store.redemptions (order_id, attempt, code, member_id, amount, redeemed_at)
select :order_id, :attempt, code, :member_id, :amount, :redeemed_at from mine returning code
""")


async def redeem(tx: AsyncSession, redemption: Redemption) -> bool:
    """Uses a coupon once more, unless it or the member has used it up: then whoever asked takes it all back."""
    return (await tx.execute(_REDEEM, redemption.model_dump(exclude={"undone_at"}))).first() is not None


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
