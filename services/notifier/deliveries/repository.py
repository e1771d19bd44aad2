"""The statements of deliveries. Due dates and leases are the database's real time, which nobody moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.notifier.deliveries.models import OPEN, Delivery, GoodsOrder, State
from services.notifier.models import Channel

_t = Delivery.table()
_goods = GoodsOrder.table()
_now = sa.func.statement_timestamp()


async def plan(tx: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds deliveries that are due at once; an event is planned once for a recipient."""
    planned = insert(_t).values(
        [{**row, "state": "planned", "tries": 0, "failure": "", "due_at": _now} for row in rows]
    )
    await tx.execute(planned.on_conflict_do_nothing(constraint="deliveries_once"))


async def remember_goods(tx: AsyncSession, order_id: str) -> None:
    await tx.execute(insert(_goods).values(order_id=order_id).on_conflict_do_nothing())


async def is_goods(tx: AsyncSession, order_id: str) -> bool:
    known = await tx.execute(sa.select(_goods.c.order_id).where(_goods.c.order_id == order_id))
    return known.first() is not None


async def claim(tx: AsyncSession, most: int, lease: timedelta) -> Sequence[Delivery]:
    """Takes deliveries that are due, urgent ones first, for as long as the lease lasts; each claim counts as a try."""
    due = (
        sa.select(_t.c.id)
        .where(_t.c.state.in_(OPEN), _t.c.due_at <= _now)
        .order_by(_t.c.urgent.desc(), _t.c.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)  # what another process is just claiming is not ours to wait for
        .cte("due")
    )
    taken = sa.update(_t).where(_t.c.id == due.c.id).values(tries=_t.c.tries + 1, due_at=_now + lease)
    return [Delivery.make(**row) for row in (await tx.execute(taken.returning(*_t.c))).mappings()]


async def address(tx: AsyncSession, delivery: Delivery, channel: Channel, digest: str) -> bool:
    """Notes where this try goes before it does. Returns false when another process has the delivery by now."""
    noted = sa.update(_t).where(*_ours(delivery)).values(channel=channel, address_digest=digest)
    return (await tx.execute(noted.returning(_t.c.id))).first() is not None


async def unclosed(tx: AsyncSession, delivery: Delivery) -> None:
    """Notes that it went out, whoever has the claim by now; its envelope is still to be closed."""
    await tx.execute(sa.update(_t).where(_t.c.id == delivery.id, _t.c.state == "planned").values(state="unclosed"))


async def later(tx: AsyncSession, delivery: Delivery, pause: timedelta, failure: str) -> None:
    await tx.execute(sa.update(_t).where(*_ours(delivery)).values(due_at=_now + pause, failure=failure))


async def end(tx: AsyncSession, delivery: Delivery, now: datetime, state: State, failure: str) -> None:
    """Notes how it ended; what was sent was sent, whoever has the claim by now."""
    which = (_t.c.id == delivery.id, _t.c.state.in_(OPEN)) if state == "sent" else _ours(delivery)
    await tx.execute(sa.update(_t).where(*which).values(state=state, ended_at=now, failure=failure))


def _ours(delivery: Delivery) -> tuple[sa.ColumnElement[bool], ...]:
    """Still open, and claimed by nobody since."""
    return _t.c.id == delivery.id, _t.c.state.in_(OPEN), _t.c.tries == delivery.tries
