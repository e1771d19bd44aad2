"""What an event makes us say is planned in the transaction that takes the event (OP-11)."""

from __future__ import annotations

from collections.abc import Iterable

from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.notifier.deliveries import repository
from services.notifier.deliveries.models import Notice


async def plan(work: Work, event_id: str, notices: Iterable[Notice]) -> None:
    """One delivery for each recipient of an event; nothing for those it has."""
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
    """As `plan`, and what the store tells of this order from now on is ours to tell."""
    await repository.remember_goods(work.tx, order_id)
    await plan(work, event_id, notices)


async def plan_for_goods(work: Work, event_id: str, order_id: str, notices: Iterable[Notice]) -> None:
    """As `plan`, unless the order is one of keys, or was never placed: others tell of those, or nobody does."""
    if await repository.is_goods(work.tx, order_id):
        await plan(work, event_id, notices)
