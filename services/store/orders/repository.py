"""SQL of orders: each of their moves is one conditional UPDATE."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.chassis.rows import Values, every, new, one, rows
from services.store.catalogue.models import Product
from services.store.invoices.models import Invoice
from services.store.orders.models import (
    KEY_FLOW,
    PLACING,
    UNDISPATCHED,
    UNPLACED,
    LineView,
    Order,
    OrderChanges,
    OrderLine,
    OrderState,
    OrderView,
    Promise,
)
from services.store.payments.models import ENDED, Payment
from services.store.settings import Rules

_O, _L, _P, _I = Order.table().c, OrderLine.table().c, Payment.table().c, Invoice.table().c
_NUMBERS = sa.Sequence("order_numbers", schema="store", data_type=sa.BigInteger)
# Counted, then scattered: six followed by ten digits is prime to the count of ten-digit numbers, so none comes twice.
_STRIDE, _FIRST, _MANY = (sa.literal(n, sa.BigInteger) for n in (6_180_339_887, 1_000_000_000, 9_000_000_000))

_NOTHING: Values = {}
_KEY: sa.BindParameter[str] = sa.bindparam("key")
_KEYS: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
_BY_KEY = sa.select(Order).where(_O.order_id == _KEY, _O.state != "dropped")
_SHOWN = (
    sa.select(OrderLine, Payment, Invoice)
    .join(Order.table(), _O.order_id == _L.order_id)
    .outerjoin(Payment.table(), _P.payment_id == _O.payment_id)
    .outerjoin(Invoice.table(), _I.payment_id == _P.payment_id)
    .where(_L.order_id.in_(_KEYS))
    .order_by(_L.order_id, _L.line_id)
)
_PAID = sa.select(Order, Payment).join(Payment.table(), _O.payment_id == _P.payment_id).where(_O.order_id == _KEY)
_PAID_LOCKED = _PAID.with_for_update(of=[Order.table(), Payment.table()])


async def get(session: AsyncSession, order_id: str) -> Order | None:
    """An order, unless it was dropped."""
    return await one(session, Order, _BY_KEY, {"key": order_id})


async def open_key_checkout(session: AsyncSession, member_id: str) -> Order | None:
    """The member's one order of keys that is not placed (SK-22)."""
    found = sa.select(Order).where(_O.member_id == member_id, _O.flow == KEY_FLOW, _O.state.in_(UNPLACED))
    return await one(session, Order, found)


async def lines_of(session: AsyncSession, order_id: str) -> Sequence[OrderLine]:
    return await every(session, OrderLine, sa.select(OrderLine).where(_L.order_id == order_id).order_by(_L.line_id))


async def open_once(tx: AsyncSession, order: Order) -> bool:
    """Adds a checkout, unless the member has one open: two tabs may ask at once."""
    added = insert(Order.table()).values(order.model_dump()).on_conflict_do_nothing().returning(_O.order_id)
    return (await tx.execute(added)).first() is not None


async def put_lines(tx: AsyncSession, order_id: str, lines: Iterable[OrderLine]) -> None:
    """The lines of an order that is not placed, in place of those that it had."""
    await tx.execute(sa.delete(OrderLine.table()).where(_L.order_id == order_id))
    await tx.execute(sa.insert(OrderLine.table()), [line.model_dump() for line in lines])


_FREEZE = sa.text("""
update store.order_lines line set unit_price = fixed.unit_price, tax_rate = fixed.tax_rate,
  coupon_share = fixed.coupon_share, points_share = fixed.points_share
from jsonb_to_recordset(cast(:lines as jsonb))
  as fixed (line_id text, unit_price bigint, tax_rate int, coupon_share bigint, points_share bigint)
where line.line_id = fixed.line_id
""")


async def freeze_lines(tx: AsyncSession, lines: Iterable[LineView]) -> None:
    """Prices, tax rates and shares as they were confirmed; they are never reckoned anew (PT-04)."""
    await tx.execute(_FREEZE, {"lines": json.dumps([line.model_dump() for line in lines])})


# Made once for each set of states and conditions: to make a statement costs more than to run it.
@cache
def _moved(states: Sequence[OrderState], *more: sa.ColumnElement[bool]) -> Executable:
    moved = sa.update(Order.table()).where(_O.order_id == _KEY, _O.state.in_(states), *more)
    return sa.select(Order).from_statement(moved.values(version=_O.version + 1).returning(*_O))


async def move(
    tx: AsyncSession,
    order_id: str,
    states: Sequence[OrderState],
    changes: OrderChanges,
    *more: sa.ColumnElement[bool],
    known: Values = _NOTHING,
) -> Order | None:
    """Changes columns of an order that is in one of these states; None when it is not, or something else does not hold.

    `more` are conditions, made once; `known` has the values of their parameters.
    """
    return await one(tx, Order, _moved(states, *more), {"key": order_id, **known, **new(Order.table(), changes)})


_AT_VERSION = _O.version == sa.bindparam("known_version")
_NEVER_BEGUN = _O.attempt < sa.bindparam("new_attempt")
_UNDER_WAY = _O.attempt == sa.bindparam("known_attempt")
_UNPAID = _O.payment_id.is_(None)
_PAID_BY = _O.payment_id == sa.bindparam("known_payment")


async def edit(tx: AsyncSession, order_id: str, version: int, changes: OrderChanges) -> Order | None:
    """Changes an open checkout that nobody changed since (ETag)."""
    return await move(tx, order_id, ("checkout",), changes, _AT_VERSION, known={"known_version": version})


_BEGIN = (
    sa.update(Order.table())
    .where(_O.order_id == _KEY, _O.state == "checkout", _AT_VERSION, _NEVER_BEGUN)
    .values(version=_O.version + 1)
    .returning(_O.order_id)
)


async def begin(tx: AsyncSession, order: Order, attempt: int, values: dict[str, Any]) -> bool:
    """An open checkout is being placed, by a try that was never begun before; of two tabs one wins."""
    unchanged = {"key": order.order_id, "known_version": order.version, "new_attempt": attempt}
    begun = new(Order.table(), {"state": "placing", "attempt": attempt, "payment_id": None, **values})
    return await tx.scalar(_BEGIN, {**unchanged, **begun}) is not None


async def start_payment(tx: AsyncSession, order_id: str, attempt: int, payment_id: str) -> Order | None:
    """The payment of the try that is under way; it has one."""
    known = {"known_attempt": attempt}
    return await move(tx, order_id, PLACING, {"payment_id": payment_id}, _UNDER_WAY, _UNPAID, known=known)


async def replace_payment(tx: AsyncSession, order: Order, changes: OrderChanges) -> Order | None:
    """Another payment counts from now on, where nobody replaced the old one meanwhile."""
    known = {"known_payment": order.payment_id}
    return await move(tx, order.order_id, UNDISPATCHED, changes, _PAID_BY, known=known)


async def wait_for_payer(tx: AsyncSession, order_id: str, payment_id: str) -> Order | None:
    """The payer decides at the partner's page, where this is the payment that counts."""
    known = {"known_payment": payment_id}
    return await move(tx, order_id, ("placing",), {"state": "awaiting-payer"}, _PAID_BY, known=known)


_CONFIRM = sa.select(Order).from_statement(
    sa.update(Order.table())
    .where(_O.order_id == _KEY, _O.state.in_(PLACING), _UNDER_WAY)
    .values(version=_O.version + 1, order_number=sa.cast(_FIRST + _NUMBERS.next_value() * _STRIDE % _MANY, sa.Text))
    .returning(*_O)
)


async def confirm(tx: AsyncSession, order_id: str, attempt: int, values: dict[str, Any]) -> Order | None:
    """The try that is under way ends with a placed order, which gets its number."""
    placed = new(Order.table(), {"state": "placed", **values})
    return await one(tx, Order, _CONFIRM, {"key": order_id, "known_attempt": attempt, **placed})


_NOTHING_LEFT = ~sa.exists().where(_P.order_id == _O.order_id, _P.state.not_in(ENDED))


async def finish_cancelling(tx: AsyncSession, order_id: str, now: datetime) -> Order | None:
    """It is cancelled once no payment of it is left that has to come back (ST-34)."""
    return await move(tx, order_id, ("cancelling",), {"state": "cancelled", "cancelled_at": now}, _NOTHING_LEFT)


async def reopen(tx: AsyncSession, order: Order) -> Order | None:
    """The try that is under way ends; the order is a checkout again."""
    again: OrderChanges = {"state": "checkout", "payment_id": None}
    return await move(tx, order.order_id, PLACING, again, _UNDER_WAY, known={"known_attempt": order.attempt})


_ANOTHER_DAY = _O.promised_on.is_distinct_from(sa.bindparam("known_day", type_=sa.Date))


async def promise_anew(tx: AsyncSession, order_id: str, promise: Promise) -> Order | None:
    """Another day is promised; None when it is the same day, or it can no longer be promised."""
    changes: OrderChanges = {"promised_on": promise.promised_on, "calendar_version": promise.calendar_version}
    return await move(tx, order_id, UNDISPATCHED, changes, _ANOTHER_DAY, known={"known_day": promise.promised_on})


async def is_stuck(session: AsyncSession, order_id: str) -> bool:
    """Whether a partner refuses to give money back."""
    found = sa.select(sa.exists().where(_P.order_id == order_id, _P.problem != "", _P.state.not_in(ENDED)))
    return bool(await session.scalar(found))


async def paid(session: AsyncSession, order_id: str, *, locked: bool = False) -> tuple[Order, Payment] | None:
    """An order and the payment that counts for it; None where there is none."""
    found = await rows(session, _PAID_LOCKED if locked else _PAID, {"key": order_id})
    return tuple(found[0]) if found else None


async def payment_of(session: AsyncSession, order_id: str, *, locked: bool = False) -> Payment | None:
    """The payment that counts for an order."""
    found = await paid(session, order_id, locked=locked)
    return found[1] if found else None


async def means_admitted(tx: AsyncSession, order_id: str) -> frozenset[str]:
    """By which means all that is in the order may be paid (ST-20)."""
    product = Product.table().c
    found = sa.select(product.means).join(OrderLine.table(), _L.sku == product.sku).where(_L.order_id == order_id)
    admitted = [frozenset(means) for means in await tx.scalars(found)]
    return frozenset.intersection(*admitted) if admitted else frozenset()


async def placed_by(session: AsyncSession, member_id: str, page: Page) -> Sequence[Order]:
    """One page of a member's orders and one more, if there is one; newest first."""
    found = sa.select(Order).where(_O.member_id == member_id, _O.placed_at.is_not(None))
    return await every(session, Order, page.of(found, _O.placed_at, _O.order_id))


async def with_money(session: AsyncSession, page: Page) -> Sequence[Order]:
    """One page of the orders that ever asked for a payment and one more, if there is one; oldest first."""
    asked = sa.exists().where(_P.order_id == _O.order_id)
    return await every(session, Order, page.of(sa.select(Order).where(asked), _O.order_id, oldest_first=True))


async def view(session: AsyncSession, order: Order, rules: Rules) -> OrderView:
    """An order as it is answered."""
    (seen,) = await views(session, [order], rules)
    return seen


async def views(session: AsyncSession, orders: Sequence[Order], rules: Rules) -> list[OrderView]:
    """Orders as they are answered: with their lines, the payments that count, and invoices."""
    lines: dict[str, list[LineView]] = defaultdict(list)
    money: dict[str, tuple[Payment | None, Invoice | None]] = {}
    for line, *paid in await rows(session, _SHOWN, {"keys": [order.order_id for order in orders]}):
        lines[line.order_id].append(line.view())
        money[line.order_id] = tuple(paid)
    seen = []
    for order in orders:
        payment, invoice = money.get(order.order_id, (None, None))
        paying = payment.view() if payment else None
        seen.append(order.view(lines[order.order_id], paying, invoice.view(rules.late) if invoice else None, rules))
    return seen
