"""SQL of calls to partners, and of all that each needs to be made, or made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.ids import new_id
from services.store.cards.models import Card, Customer
from services.store.checkout.models import Snapshot
from services.store.intents.models import Errand, Intent
from services.store.orders.models import Order
from services.store.payments.models import Payment, Step

_P, _I = Payment.table().c, Intent.table().c
_CARD, _CUSTOMER, _ORDER, _SHOWN = Card.table().c, Customer.table().c, Order.table().c, Snapshot.table().c


async def open_intent(tx: AsyncSession, payment: Payment, step: Step, now: datetime) -> str | None:
    """Writes down that the partner is to be asked; None when it has been before, or is busy with this payment."""
    amount = payment.captured - payment.refunded if step == "refund" else payment.amount
    row = _opened(payment.payment_id, step, amount, now)
    written = insert(Intent.table()).values(row).on_conflict_do_nothing().returning(_I.intent_id)
    found: str | None = await tx.scalar(written)
    return found


async def forget_cards(tx: AsyncSession, order_id: str, now: datetime) -> None:
    """The cards that an order was paid with and that the member does not keep are to be forgotten (SK-18)."""
    paid_with = (
        sa.select(sa.func.min(_P.payment_id))
        .join(Card.table(), _CARD.card_id == _P.card_id)
        .where(_P.order_id == order_id, _CARD.kept_at.is_(None), _CARD.detached_at.is_(None))
        .group_by(_P.card_id)
    )
    rows = [_opened(payment_id, "detach", 0, now) for payment_id in await tx.scalars(paid_with)]
    if rows:
        await tx.execute(insert(Intent.table()).values(rows).on_conflict_do_nothing())


def _opened(payment_id: str, step: Step, amount: int, now: datetime) -> dict[str, Any]:
    row = Intent.make(
        intent_id=new_id("int"), payment_id=payment_id, step=step, amount=amount, opened_at=now, looked_at=now
    )
    return row.model_dump()


async def close_intents(
    tx: AsyncSession, payment_id: str, intent_id: str, steps: Sequence[Step], now: datetime
) -> None:
    """The one that was asked is done, and others of these steps are too."""
    done = sa.update(Intent.table()).where(
        _I.payment_id == payment_id,
        _I.done_at.is_(None),
        sa.or_(_I.intent_id == intent_id, _I.step.in_(steps)),
    )
    await tx.execute(done.values(done_at=now))


async def claim(tx: AsyncSession, errand: Errand, now: datetime, under_way: timedelta) -> Errand | None:
    """Notes, before the partner is called, that it is: whoever comes later looks up first.

    Gives the errand with how often, and when last, it had been called; None when it is done meanwhile. Only one
    caller at a time may call: another one's call may be under way for so long.
    """
    held = sa.select(_I.tries, _I.asked_at).where(_I.intent_id == errand.intent_id, _I.done_at.is_(None))
    found = (await tx.execute(held.with_for_update())).mappings().first()
    if found is None:
        return None
    called_before = found["asked_at"]
    may_call = not errand.only_looks and (called_before is None or now - called_before >= under_way)
    called = {"tries": _I.tries + 1, "asked_at": now} if may_call else {}
    taken_up = sa.update(Intent.table()).where(_I.intent_id == errand.intent_id)
    await tx.execute(taken_up.values(looked_at=now, **called))
    return errand.model_copy(update={**found, "may_call": may_call})


async def close(tx: AsyncSession, intent_id: str, now: datetime) -> None:
    await tx.execute(sa.update(Intent.table()).where(_I.intent_id == intent_id).values(done_at=now))


async def open_errands(session: AsyncSession, payment_id: str) -> Sequence[Errand]:
    """What the partner has to be asked, or asked again, for this payment; cards are forgotten by the sweep."""
    rows = await session.execute(_ERRANDS.where(_P.payment_id == payment_id, _I.step != "detach"))
    return [_errand(row) for row in rows.mappings()]


async def stale_errands(session: AsyncSession, before: datetime, limit: int) -> Sequence[Errand]:
    """Calls without an outcome that nobody has looked at for a while (ST-21); a card is forgotten at once."""
    due = sa.or_(_I.looked_at < before, _I.step == "detach")
    rows = await session.execute(_ERRANDS.where(due).order_by(_I.looked_at).limit(limit))
    return [_errand(row) for row in rows.mappings()]


async def look_up_errand(session: AsyncSession, payment_id: str) -> Errand | None:
    """What is needed to look a payment up, whether or not anything is open."""
    found = (await session.execute(_LOOK_UPS.where(_P.payment_id == payment_id))).mappings().first()
    return None if found is None else _errand(found)


async def open_intents(session: AsyncSession, order_ids: Iterable[str]) -> dict[str, int]:
    """How many calls without an outcome each of these orders has."""
    counted = (
        sa.select(_P.order_id, sa.func.count())
        .join(Intent.table(), _I.payment_id == _P.payment_id)
        .where(_P.order_id.in_(order_ids), _I.done_at.is_(None))
        .group_by(_P.order_id)
    )
    return dict((await session.execute(counted)).all())


def _errands(intents: sa.FromClause, *own: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(
            *own,
            _P.payment_id,
            _P.merchant_ref,
            _P.partner_ref,
            _P.means,
            _P.order_id,
            _P.member_id,
            _P.unwanted_at.is_not(None).label("unwanted"),
            sa.func.coalesce(_CARD.processor_ref, "").label("card_ref"),
            sa.func.coalesce(_CUSTOMER.processor_ref, "").label("customer_ref"),
            _ORDER.invoice_to,
            _SHOWN.content,
        )
        .select_from(intents)
        .join(Order.table(), _ORDER.order_id == _P.order_id)
        .outerjoin(Card.table(), _CARD.card_id == _P.card_id)
        .outerjoin(Customer.table(), _CUSTOMER.member_id == _P.member_id)
        .outerjoin(
            Snapshot.table(), sa.and_(_SHOWN.order_id == _ORDER.order_id, _SHOWN.snapshot_hash == _ORDER.snapshot_hash)
        )
    )


_ERRANDS = _errands(
    Intent.table().join(Payment.table(), _I.payment_id == _P.payment_id),
    _I.intent_id,
    _I.step,
    _I.amount,
    _I.tries,
    _I.asked_at,
).where(_I.done_at.is_(None))
_LOOK_UPS = _errands(
    Payment.table(),
    sa.literal("").label("intent_id"),
    sa.literal("authorise").label("step"),
    _P.amount,
    sa.literal(0).label("tries"),
    _P.asked_at,
)


def _errand(row: Mapping[str, Any]) -> Errand:
    return Errand.model_validate(
        dict(row) | {"key": f"{row['merchant_ref']}/{row['step']}"} | Snapshot.parties(row["content"])
    )
