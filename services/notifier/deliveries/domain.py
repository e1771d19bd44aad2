"""Plans deliveries, in the transaction that takes the event they are about (OP-11)."""

from __future__ import annotations

from collections.abc import Iterable

from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.notifier.deliveries import repository
from services.notifier.deliveries.models import Notice


async def plan(work: Work, event_id: str, notices: Iterable[Notice]) -> None:
    """One delivery for each recipient of an event; none for those who have one already."""
    rows = [
        {
            "id": new_id("dlv"),
            "event_id": event_id,
            "urgent": notice.recipient.startswith("env_"),
            "planned_at": work.now,
            **notice.model_dump(),
        }
        for notice in notices
    ]
    if rows:
        await repository.plan(work.tx, rows)


async def goods_placed(work: Work, event_id: str, order_id: str, notices: Iterable[Notice]) -> None:
    """As `plan`; and the order is remembered, since later events of the store do not say whether it is one of goods."""
    await repository.remember_goods(work.tx, order_id)
    await plan(work, event_id, notices)


async def plan_for_goods(work: Work, event_id: str, order_id: str, notices: Iterable[Notice]) -> None:
    """As `plan`, if the order is one of goods that was placed: of keys sparekey's events tell."""
    if await repository.is_goods(work.tx, order_id):
        await plan(work, event_id, notices)
