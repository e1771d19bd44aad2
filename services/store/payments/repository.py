"""SQL of payments and of members' credit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from services.chassis.rows import every, new, one, rows
from services.store.orders.models import Order
from services.store.payments.models import ENDED, Credit, Payment, PaymentChanges

_P, _C = Payment.table().c, Credit.table().c


_KEY: sa.BindParameter[str] = sa.bindparam("key")
_BY_KEY = sa.select(Payment).where(_P.payment_id == _KEY)
_LOCKED = (
    sa.select(Payment, Order)
    .join(Order.table(), Order.table().c.order_id == _P.order_id)
    .where(_P.payment_id == _KEY)
    .with_for_update(of=[Order.table(), Payment.table()])
)


async def get(session: AsyncSession, payment_id: str | None) -> Payment | None:
    return await one(session, Payment, _BY_KEY, {"key": payment_id})


async def locked(tx: AsyncSession, payment_id: str) -> tuple[Payment, Order]:
    """A payment and its order for this transaction alone: webhook, sweep and step may bring word of it at once.

    Raises:
        LookupError: there is no such payment: a defect of ours.
    """
    found = await rows(tx, _LOCKED, {"key": payment_id})
    if not found:
        raise LookupError(payment_id)
    return tuple(found[0])


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


_OURS = sa.select(Payment).where(_P.merchant_ref == _KEY)
_THEIRS = sa.select(Payment).where(_P.partner_ref == _KEY, _P.partner_ref != "")


async def by_reference(session: AsyncSession, merchant_ref: str, partner_ref: str) -> Payment | None:
    """A payment by our reference, or, where none is given, by the partner's."""
    return await one(session, Payment, _OURS if merchant_ref else _THEIRS, {"key": merchant_ref or partner_ref})


_NTH = sa.select(sa.func.count() + 1).where(_P.order_id == _KEY).scalar_subquery()
_ADD = sa.insert(Payment.table()).values(ordinal=_NTH, merchant_ref=_KEY + "-" + sa.cast(_NTH, sa.Text))


async def add(tx: AsyncSession, payment: Payment) -> None:
    """Adds the next payment of its order; two that ask at once are told apart by a constraint."""
    await tx.execute(_ADD, {"key": payment.order_id, **payment.model_dump(exclude={"ordinal", "merchant_ref"})})


_CHANGE = sa.update(Payment.table()).where(_P.payment_id == _KEY)


async def change(tx: AsyncSession, payment: Payment, changes: PaymentChanges) -> None:
    """Changes a payment that this transaction has locked."""
    await tx.execute(_CHANGE, {"key": payment.payment_id, **new(Payment.table(), changes)})
    for name, value in changes.items():
        set_committed_value(payment, name, value)


_UNWANT = (
    sa.update(Payment.table())
    .where(_P.order_id == _KEY, _P.payment_id != sa.bindparam("but"), _P.state.not_in(ENDED))
    .values(unwanted_at=sa.func.coalesce(_P.unwanted_at, sa.bindparam("now", type_=_P.unwanted_at.type)))
    .returning(_P.payment_id)
)


async def unwant(tx: AsyncSession, order_id: str, now: datetime, *, but: str = "") -> Sequence[Payment]:
    """From now on whatever payments of the order took has to come back; gives those that are not over."""
    live = (await tx.scalars(_UNWANT, {"key": order_id, "but": but, "now": now})).all()
    return await every(tx, Payment, sa.select(Payment).where(_P.payment_id.in_(live))) if live else ()


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
    """What was counted for this payment is no longer counted; once."""
    held = sa.update(Payment.table()).where(_P.payment_id == payment.payment_id, _P.credit_held)
    if (await tx.execute(held.values(credit_held=False).returning(_P.amount))).first() is not None:
        owed = sa.update(Credit.table()).where(_C.member_id == payment.member_id)
        await tx.execute(owed.values(outstanding=_C.outstanding - payment.amount))
