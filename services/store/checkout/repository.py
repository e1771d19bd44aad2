"""SQL of checkouts: what their pages are made of, and the pages as they were shown."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.cards import repository as cards
from services.store.catalogue import repository as catalogue
from services.store.checkout.models import Basket, Snapshot
from services.store.coupons import repository as coupons
from services.store.orders import repository as orders
from services.store.orders.models import Order
from services.store.payments import repository as payments
from services.store.repository import one
from services.store.settings import StoreRules

_S = Snapshot.table().c


async def basket(session: AsyncSession, order: Order, today: date, rules: StoreRules) -> Basket:
    """Everything that decides what the pages of this checkout show."""
    lines = await orders.lines_of(session, [order.order_id])
    coupon, uses = await coupons.get(session, order.coupon_code, order.member_id) if order.coupon_code else (None, 0)
    return Basket(
        order=order,
        order_lines=tuple(lines),
        products=await catalogue.by_sku(session, (line.sku for line in lines)),
        coupon=coupon,
        coupon_uses=uses,
        outstanding=await payments.outstanding(session, order.member_id),
        card=await cards.get(session, order.card_id) if order.card_id else None,
        today=today,
        rules=rules,
    )


async def keep(tx: AsyncSession, snapshot: Snapshot) -> None:
    """Keeps a page; the very same page is kept once."""
    await tx.execute(insert(Snapshot.table()).values(snapshot.model_dump()).on_conflict_do_nothing())


async def find(tx: AsyncSession, order_id: str, snapshot_hash: str) -> Snapshot | None:
    found = sa.select(Snapshot).where(_S.order_id == order_id, _S.snapshot_hash == snapshot_hash)
    return await one(tx, Snapshot, found)


async def forget(tx: AsyncSession, order_id: str) -> None:
    """The pages of a checkout that was dropped."""
    await tx.execute(sa.delete(Snapshot.table()).where(_S.order_id == order_id))
