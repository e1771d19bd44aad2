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
from services.store.intents.models import Intent, PartnerCall
from services.store.orders.models import Order
from services.store.payments.models import STATES, Payment, PaymentState, Step

_P, _I = Payment.table().c, Intent.table().c
_CARD, _CUSTOMER, _ORDER, _SHOWN = Card.table().c, Customer.table().c, Order.table().c, Snapshot.table().c
_KEY: sa.BindParameter[str] = sa.bindparam("key")
_OPEN = insert(Intent.table()).on_conflict_do_nothing().returning(_I.intent_id)
_CLOSE = sa.update(Intent.table()).where(
    _I.payment_id == _KEY,
    _I.done_at.is_(None),
    sa.or_(_I.intent_id == sa.bindparam("answered"), _I.step.in_(sa.bindparam("steps", expanding=True))),
)


async def open_intent(tx: AsyncSession, payment: Payment, step: Step, now: datetime) -> str | None:
    """Writes down that the partner is to be asked; None when it has been before, or is busy with this payment."""
    amount = payment.captured - payment.refunded if step == "refund" else payment.amount
    found: str | None = await tx.scalar(_OPEN, _opened(payment.payment_id, step, amount, now))
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
    done = {"key": payment_id, "answered": intent_id, "steps": list(steps), "done_at": now}
    await tx.execute(_CLOSE, done)


async def claim(tx: AsyncSession, payment_id: str, now: datetime, under_way: timedelta) -> PartnerCall | None:
    """Notes, before the partner is called, that it is: whoever comes later looks up first.

    Gives what the partner has to be asked, or asked again, with how often, and when last, it had been; None when
    nothing is open. Only one caller at a time may call: another one's call may be under way for so long.
    """
    claimed = await tx.execute(_TAKE_UP, {"key": payment_id, "now": now, "before": now - under_way})
    found: Mapping[str, Any] | None = claimed.mappings().first()  # type: ignore[assignment]  # its keys are texts
    return None if found is None else _call(found)


async def looked(tx: AsyncSession, intent_id: str, now: datetime) -> None:
    await tx.execute(sa.update(Intent.table()).where(_I.intent_id == intent_id).values(looked_at=now))


async def close(tx: AsyncSession, intent_id: str, now: datetime) -> None:
    await tx.execute(sa.update(Intent.table()).where(_I.intent_id == intent_id).values(done_at=now))


async def stale_calls(session: AsyncSession, before: datetime, limit: int) -> Sequence[PartnerCall]:
    """Calls without an outcome that nobody has looked at for a while (ST-21); a card is forgotten at once."""
    due = sa.or_(_I.looked_at < before, _I.step == "detach")
    rows = await session.execute(_CALLS.where(due).order_by(_I.looked_at).limit(limit))
    return [_call(row) for row in rows.mappings()]


async def look_up_call(
    session: AsyncSession, payment_id: str, states: Sequence[PaymentState] = STATES
) -> PartnerCall | None:
    """What is needed to look up a payment that is in one of these states, whether or not anything is open."""
    found = (await session.execute(_LOOK_UPS, {"key": payment_id, "states": list(states)})).mappings().first()
    return None if found is None else _call(found)


async def open_intents(session: AsyncSession, order_ids: Iterable[str]) -> dict[str, int]:
    """How many calls without an outcome each of these orders has."""
    counted = (
        sa.select(_P.order_id, sa.func.count())
        .join(Intent.table(), _I.payment_id == _P.payment_id)
        .where(_P.order_id.in_(order_ids), _I.done_at.is_(None))
        .group_by(_P.order_id)
    )
    return dict((await session.execute(counted)).all())


def _calls(intents: sa.FromClause, *own: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(
            *own,
            _P.payment_id,
            _P.merchant_ref,
            _P.partner_ref,
            _P.means,
            _P.order_id,
            _P.member_id,
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


_CALLS = _calls(
    Intent.table().join(Payment.table(), _I.payment_id == _P.payment_id),
    _I.intent_id,
    _I.step,
    _I.amount,
    _I.tries,
    _I.asked_at,
    sa.and_(_P.unwanted_at.is_not(None), _I.step.in_(("authorise", "renew"))).label("only_looks"),
).where(_I.done_at.is_(None))
_LOOK_UPS = _calls(
    Payment.table(),
    sa.literal("").label("intent_id"),
    sa.literal("authorise").label("step"),
    _P.amount,
    sa.literal(0).label("tries"),
    _P.asked_at,
).where(_P.payment_id == _KEY, _P.state.in_(sa.bindparam("states", expanding=True)))


def _taken_up() -> sa.UpdateBase:
    """One statement locks the call, sees whether it may be made, and notes it."""
    held = _CALLS.where(_P.payment_id == _KEY, _I.step != "detach").with_for_update(of=Intent.table()).cte("held")
    now = sa.bindparam("now", type_=_I.asked_at.type)
    nobody_calls = sa.or_(held.c.asked_at.is_(None), held.c.asked_at <= sa.bindparam("before", type_=_I.asked_at.type))
    may_call = sa.and_(nobody_calls, ~held.c.only_looks)
    called = {
        "tries": sa.case((may_call, held.c.tries + 1), else_=held.c.tries),
        "asked_at": sa.case((may_call, now), else_=held.c.asked_at),
    }
    taken_up = sa.update(Intent.table()).where(_I.intent_id == held.c.intent_id).values(looked_at=now, **called)
    return taken_up.returning(*held.c, may_call.label("may_call"))


_TAKE_UP = _taken_up()


def _call(row: Mapping[str, Any]) -> PartnerCall:
    return PartnerCall.model_validate(
        dict(row) | {"key": f"{row['merchant_ref']}/{row['step']}"} | Snapshot.parties(row["content"])
    )
