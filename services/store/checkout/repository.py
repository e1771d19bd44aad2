"""SQL of checkouts: what their pages are made of, and the pages as they were shown."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.rows import rows
from services.store.cards.models import Card
from services.store.catalogue.models import Product
from services.store.checkout.models import Basket, Snapshot
from services.store.coupons.models import Coupon, CouponUses
from services.store.orders.models import Order, OrderLine
from services.store.payments.models import Credit
from services.store.settings import Rules

_S, _O, _L, _D = Snapshot.table().c, Order.table().c, OrderLine.table().c, Card.table().c
_C, _U, _B, _P = Coupon.table().c, CouponUses.table().c, Credit.table().c, Product.table().c
_KEY: sa.BindParameter[str] = sa.bindparam("key")
_AROUND = (
    sa.select(Coupon, sa.func.coalesce(_U.used, 0), sa.func.coalesce(_B.outstanding, 0), Card)
    .select_from(Order.table())
    .outerjoin(Coupon.table(), _C.code == _O.coupon_code)
    .outerjoin(CouponUses.table(), sa.and_(_U.code == _O.coupon_code, _U.member_id == _O.member_id))
    .outerjoin(Credit.table(), _B.member_id == _O.member_id)
    .outerjoin(Card.table(), _D.card_id == _O.card_id)
    .where(_O.order_id == _KEY)
)
_LINES = (
    sa.select(OrderLine, Product)
    .outerjoin(Product.table(), _P.sku == _L.sku)
    .where(_L.order_id == _KEY)
    .order_by(_L.line_id)
)
_CONFIRMED = (
    sa.select(Order, Snapshot)
    .outerjoin(Snapshot.table(), sa.and_(_S.order_id == _O.order_id, _S.snapshot_hash == sa.bindparam("shown")))
    .where(_O.order_id == _KEY, _O.state != "dropped")
)


async def basket(session: AsyncSession, order: Order, today: date, rules: Rules) -> Basket:
    """Everything that decides what the pages of this checkout show."""
    key = {"key": order.order_id}
    ((coupon, uses, outstanding, card),) = await rows(session, _AROUND, key)
    lines = await rows(session, _LINES, key)
    return Basket(
        order=order,
        order_lines=tuple(line for line, _ in lines),
        products={product.sku: product for _, product in lines},
        coupon=coupon,
        coupon_uses=uses,
        outstanding=outstanding,
        card=card,
        today=today,
        rules=rules,
    )


async def confirmed(tx: AsyncSession, order_id: str, snapshot_hash: str) -> tuple[Order | None, Snapshot | None]:
    """An order and the page of it that was confirmed, if they are there."""
    found = await rows(tx, _CONFIRMED, {"key": order_id, "shown": snapshot_hash})
    return tuple(found[0]) if found else (None, None)


async def keep(tx: AsyncSession, snapshot: Snapshot) -> None:
    """Keeps a page; the very same page is kept once."""
    await tx.execute(insert(Snapshot.table()).values(snapshot.model_dump()).on_conflict_do_nothing())


async def forget(tx: AsyncSession, order_id: str) -> None:
    """The pages of a checkout that was dropped."""
    await tx.execute(sa.delete(Snapshot.table()).where(_S.order_id == order_id))
