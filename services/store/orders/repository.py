"""SQL of orders: each of their moves is one conditional UPDATE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.store.catalogue.models import Product
from services.store.invoices.models import Invoice
from services.store.models import Page
from services.store.orders.models import (
    KEY_FLOW,
    PLACING,
    UNDISPATCHED,
    UNPLACED,
    LineView,
    Order,
    OrderLine,
    OrderState,
    OrderView,
)
from services.store.payments.models import ENDED, Payment
from services.store.repository import every, one
from services.store.settings import LateRules

_O, _L, _P, _I = Order.table().c, OrderLine.table().c, Payment.table().c, Invoice.table().c
_NUMBERS = sa.Sequence("order_numbers", schema="store", data_type=sa.BigInteger)
# Counted, then scattered: six followed by ten digits is prime to the count of ten-digit numbers, so none comes twice.
_STRIDE, _FIRST, _MANY = (sa.literal(n, sa.BigInteger) for n in (6_180_339_887, 1_000_000_000, 9_000_000_000))


async def get(session: AsyncSession, order_id: str) -> Order | None:
    """An order; one that was dropped is none."""
    return await one(session, Order, sa.select(Order).where(_O.order_id == order_id, _O.state != "dropped"))


async def open_key_checkout(session: AsyncSession, member_id: str) -> Order | None:
    """The member's one order of keys that is not placed (SK-22)."""
    found = sa.select(Order).where(_O.member_id == member_id, _O.flow == KEY_FLOW, _O.state.in_(UNPLACED))
    return await one(session, Order, found)


async def lines_of(session: AsyncSession, order_ids: Iterable[str]) -> Sequence[OrderLine]:
    found = sa.select(OrderLine).where(_L.order_id.in_(order_ids)).order_by(_L.order_id, _L.line_id)
    return await every(session, OrderLine, found)


async def open_once(tx: AsyncSession, order: Order) -> bool:
    """Adds a checkout, unless the member has one open: two tabs may ask at once."""
    added = insert(Order.table()).values(order.model_dump()).on_conflict_do_nothing().returning(_O.order_id)
    return (await tx.execute(added)).first() is not None


async def put_lines(tx: AsyncSession, order_id: str, lines: Iterable[OrderLine]) -> None:
    """The lines of an order that is not placed, in place of those that it had."""
    await tx.execute(sa.delete(OrderLine.table()).where(_L.order_id == order_id))
    await tx.execute(sa.insert(OrderLine.table()), [line.model_dump() for line in lines])


async def freeze_lines(tx: AsyncSession, lines: Iterable[LineView]) -> None:
    """Prices, tax rates and shares as they were confirmed; they are never reckoned anew (PT-04)."""
    fixed = sa.update(OrderLine.table()).where(_L.line_id == sa.bindparam("line"))
    frozen = fixed.values(
        unit_price=sa.bindparam("price"),
        tax_rate=sa.bindparam("tax"),
        coupon_share=sa.bindparam("of_coupon"),
        points_share=sa.bindparam("of_points"),
    )
    rows = [
        {
            "line": line.line_id,
            "price": line.unit_price,
            "tax": line.tax_rate,
            "of_coupon": line.coupon_share,
            "of_points": line.points_share,
        }
        for line in lines
    ]
    await (await tx.connection()).execute(frozen, rows)


async def move(
    tx: AsyncSession, order_id: str, states: Sequence[OrderState], *more: sa.ColumnElement[bool], **values: Any
) -> Order | None:
    """Changes an order that is in one of these states; None when it is not, or something else does not hold."""
    moved = sa.update(Order).where(_O.order_id == order_id, _O.state.in_(states), *more)
    return await one(tx, Order, moved.values(version=_O.version + 1, **values).returning(Order))


async def edit(tx: AsyncSession, order_id: str, version: int, values: dict[str, Any]) -> Order | None:
    """Changes an open checkout that nobody changed since (ETag)."""
    return await move(tx, order_id, ("checkout",), _O.version == version, **values)


async def begin(tx: AsyncSession, order: Order, attempt: int, values: dict[str, Any]) -> Order | None:
    """An open checkout is being placed, by a try that was never begun before; of two tabs one wins."""
    unchanged = (_O.version == order.version, _O.attempt < attempt)
    begun = {"state": "placing", "attempt": attempt, "payment_id": None, **values}
    return await move(tx, order.order_id, ("checkout",), *unchanged, **begun)


async def start_payment(tx: AsyncSession, order_id: str, attempt: int, payment_id: str) -> Order | None:
    """The payment of the try that is under way; it has one."""
    first = (_O.attempt == attempt, _O.payment_id.is_(None))
    return await move(tx, order_id, PLACING, *first, payment_id=payment_id)


async def replace_payment(tx: AsyncSession, order: Order, payment_id: str, **values: Any) -> Order | None:
    """Another payment counts from now on, where nobody replaced the old one meanwhile."""
    same = _O.payment_id == order.payment_id
    return await move(tx, order.order_id, UNDISPATCHED, same, payment_id=payment_id, **values)


async def confirm(tx: AsyncSession, order_id: str, attempt: int, values: dict[str, Any]) -> Order | None:
    """The try that is under way ends with a placed order, which gets its number."""
    number = sa.cast(_FIRST + _NUMBERS.next_value() * _STRIDE % _MANY, sa.Text)
    placed = {"state": "placed", "order_number": number, **values}
    return await move(tx, order_id, PLACING, _O.attempt == attempt, **placed)


async def finish_cancelling(tx: AsyncSession, order_id: str, now: datetime) -> Order | None:
    """It is cancelled once no payment of it is left that has to come back (ST-34)."""
    left = sa.exists().where(_P.order_id == order_id, _P.state.not_in(ENDED))
    return await move(tx, order_id, ("cancelling",), ~left, state="cancelled", cancelled_at=now)


async def reopen(tx: AsyncSession, order: Order) -> Order | None:
    """The try that is under way ends; the order is a checkout again."""
    return await move(tx, order.order_id, PLACING, _O.attempt == order.attempt, state="checkout", payment_id=None)


async def promise_anew(tx: AsyncSession, order_id: str, day: date, calendar_version: str) -> Order | None:
    """Another day is promised; None when it is the same day, or it cannot be promised any more."""
    another = _O.promised_on.is_distinct_from(day)
    return await move(tx, order_id, UNDISPATCHED, another, promised_on=day, calendar_version=calendar_version)


async def is_stuck(session: AsyncSession, order_id: str) -> bool:
    """Whether a partner refuses to give money back."""
    found = sa.select(sa.exists().where(_P.order_id == order_id, _P.problem != "", _P.state.not_in(ENDED)))
    return bool(await session.scalar(found))


async def payment_of(session: AsyncSession, order_id: str, *, locked: bool = False) -> Payment | None:
    """The payment that counts for an order."""
    found = sa.select(Payment).join(Order.table(), sa.and_(_O.payment_id == _P.payment_id, _O.order_id == order_id))
    both = [Order.table(), Payment.table()]
    return await one(session, Payment, found.with_for_update(of=both) if locked else found)


async def payments_of(session: AsyncSession, orders: Iterable[Order]) -> dict[str, Payment]:
    """The payments that count, by their orders."""
    ids = [order.payment_id for order in orders if order.payment_id]
    found = await every(session, Payment, sa.select(Payment).where(_P.payment_id.in_(ids)))
    return {payment.order_id: payment for payment in found}


async def invoices_of(session: AsyncSession, orders: Iterable[Order]) -> dict[str, Invoice]:
    """The invoices of the payments that count, by their orders."""
    ids = [order.payment_id for order in orders if order.payment_id]
    found = await every(session, Invoice, sa.select(Invoice).where(_I.payment_id.in_(ids)))
    return {invoice.order_id: invoice for invoice in found}


async def means_admitted(tx: AsyncSession, order_id: str) -> frozenset[str]:
    """By which means all that is in the order may be paid (ST-20)."""
    product = Product.table().c
    found = sa.select(product.means).join(OrderLine.table(), _L.sku == product.sku).where(_L.order_id == order_id)
    admitted = [frozenset(means) for means in await tx.scalars(found)]
    return frozenset.intersection(*admitted) if admitted else frozenset()


async def placed_by(session: AsyncSession, member_id: str, page: Page) -> Sequence[Order]:
    """One page of a member's orders and one more, if there is one; newest first."""
    found = sa.select(Order).where(_O.member_id == member_id, _O.placed_at.is_not(None))
    if page.cursor:
        found = found.where(sa.tuple_(_O.placed_at, _O.order_id) < page.after_instant)
    return await every(session, Order, found.order_by(_O.placed_at.desc(), _O.order_id.desc()).limit(page.limit + 1))


async def with_money(session: AsyncSession, page: Page) -> Sequence[Order]:
    """One page of the orders that ever asked for a payment and one more, if there is one; oldest first."""
    asked = sa.exists().where(_P.order_id == _O.order_id)
    found = sa.select(Order).where(_O.order_id > page.after, asked)
    return await every(session, Order, found.order_by(_O.order_id).limit(page.limit + 1))


def is_paid_by(payment_id: str) -> sa.ColumnElement[bool]:
    """For a move that only the payment that counts may make."""
    return _O.payment_id == payment_id


async def views(session: AsyncSession, orders: Sequence[Order], late: LateRules) -> list[OrderView]:
    """Orders as they are answered: with their lines, the payments that count, and invoices."""
    lines: dict[str, list[LineView]] = defaultdict(list)
    for line in await lines_of(session, [order.order_id for order in orders]):
        lines[line.order_id].append(line.view())
    payments, invoices = await payments_of(session, orders), await invoices_of(session, orders)
    seen = []
    for order in orders:
        payment, invoice = payments.get(order.order_id), invoices.get(order.order_id)
        shown = invoice.view(late) if invoice else None
        seen.append(order.view(tuple(lines[order.order_id]), payment.view() if payment else None, shown))
    return seen
