"""SQL of payments and of members' credit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.orders.models import Order
from services.store.payments.models import ENDED, Credit, Payment
from services.store.repository import every, one

_P, _C = Payment.table().c, Credit.table().c


async def get(session: AsyncSession, payment_id: str | None) -> Payment | None:
    return await one(session, Payment, sa.select(Payment).where(_P.payment_id == payment_id))


async def locked(tx: AsyncSession, payment_id: str) -> Payment:
    """A payment and its order for this transaction alone: webhook, sweep and step may bring word of it at once."""
    both = sa.select(Payment).join(Order.table(), Order.table().c.order_id == _P.order_id)
    found = await one(
        tx, Payment, both.where(_P.payment_id == payment_id).with_for_update(of=[Order.table(), Payment.table()])
    )
    if found is None:
        raise LookupError(payment_id)
    return found


async def of_orders(session: AsyncSession, order_ids: Iterable[str]) -> Sequence[Payment]:
    """All payments of these orders, in the order in which they were asked for."""
    found = sa.select(Payment).where(_P.order_id.in_(order_ids)).order_by(_P.order_id, _P.ordinal)
    return await every(session, Payment, found)


async def of_attempt(session: AsyncSession, order_id: str, attempt: int) -> Payment | None:
    found = sa.select(Payment).where(_P.order_id == order_id, _P.attempt == attempt)
    return await one(session, Payment, found)


async def last_of(session: AsyncSession, order_id: str) -> Payment | None:
    """The payment that was asked for last."""
    return await one(
        session, Payment, sa.select(Payment).where(_P.order_id == order_id).order_by(_P.ordinal.desc()).limit(1)
    )


async def by_reference(session: AsyncSession, merchant_ref: str, partner_ref: str) -> Payment | None:
    """A payment by our reference, or, where none is given, by the partner's."""
    same = (
        _P.merchant_ref == merchant_ref
        if merchant_ref
        else sa.and_(_P.partner_ref == partner_ref, _P.partner_ref != "")
    )
    return await one(session, Payment, sa.select(Payment).where(same))


async def next_ordinal(tx: AsyncSession, order_id: str) -> int:
    """How many payments the order has had, and one; two that ask at once are told apart by a constraint."""
    return (await tx.scalar(sa.select(sa.func.count()).where(_P.order_id == order_id)) or 0) + 1


async def add(tx: AsyncSession, payment: Payment) -> None:
    tx.add(payment)
    await tx.flush()


async def change(tx: AsyncSession, payment_id: str, changes: Mapping[str, Any]) -> Payment:
    """Changes a payment that this transaction has locked."""
    changed = sa.update(Payment).where(_P.payment_id == payment_id).values(changes).returning(Payment)
    found = await one(tx, Payment, changed)
    if found is None:
        raise LookupError(payment_id)
    return found


async def unwant(tx: AsyncSession, order_id: str, now: datetime, *, but: str = "") -> Sequence[Payment]:
    """From now on whatever payments of the order took has to come back; gives those that are not over."""
    live = sa.update(Payment).where(_P.order_id == order_id, _P.payment_id != but, _P.state.not_in(ENDED))
    values = {"unwanted_at": sa.func.coalesce(_P.unwanted_at, now)}
    return await every(tx, Payment, live.values(values).returning(Payment))


async def expired(session: AsyncSession, now: datetime, limit: int) -> Sequence[Payment]:
    """Payments whose payer did not come back in time."""
    waiting = sa.select(Payment).where(_P.state == "requires-action", _P.action_until <= now, _P.unwanted_at.is_(None))
    return await every(session, Payment, waiting.order_by(_P.action_until).limit(limit))


async def reserve_credit(tx: AsyncSession, member_id: str, amount: int, limit: int) -> bool:
    """Counts an amount towards what the member owes, unless that would pass the limit."""
    if amount > limit:
        return False
    row = insert(Credit.table()).values(member_id=member_id, outstanding=amount)
    more = row.on_conflict_do_update(
        index_elements=[_C.member_id],
        set_={"outstanding": _C.outstanding + amount},
        where=_C.outstanding + amount <= limit,
    ).returning(_C.outstanding)
    return (await tx.execute(more)).first() is not None


async def free_credit(tx: AsyncSession, payment: Payment) -> None:
    """What was counted for this payment is counted no more; once."""
    held = sa.update(Payment.table()).where(_P.payment_id == payment.payment_id, _P.credit_held)
    if (await tx.execute(held.values(credit_held=False).returning(_P.amount))).first() is not None:
        owed = sa.update(Credit.table()).where(_C.member_id == payment.member_id)
        await tx.execute(owed.values(outstanding=_C.outstanding - payment.amount))


async def outstanding(session: AsyncSession, member_id: str) -> int:
    return await session.scalar(sa.select(_C.outstanding).where(_C.member_id == member_id)) or 0
