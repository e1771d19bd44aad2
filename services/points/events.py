"""What the store and sparekey tell of orders, and which verb it is for points: decoded and passed on, nothing else."""

from __future__ import annotations

from datetime import UTC

from ruum.sparekey.v1 import events_pb2 as sparekey
from ruum.store.v1 import events_pb2 as store
from services.chassis.idempotency import Work
from services.chassis.stream import Handlers
from services.points.grants.domain import Grants


class OrderEvents:
    """Takes the store's events of orders, and sparekey's of a key that strays: the store's order does not say so."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def handlers(self) -> Handlers:
        return {
            store.OrderPlaced: self._placed,
            store.OrderCancelled: self._cancelled,
            store.OrderDispatched: self._dispatched,
            store.OrderDelivered: self._delivered,
            store.OrderClosed: self._closed,
            store.OrderAmountChanged: self._amount_changed,
            sparekey.KeyDispatched: self._dispatched,
            sparekey.KeyReturned: self._astray,
            sparekey.KeyLost: self._astray,
        }

    async def _placed(self, work: Work, told: store.OrderPlaced) -> None:
        placed_at = told.header.occurred_at.ToDatetime(UTC)
        await self._grants.placed(work, told.header.member_id, told.order_id, told.earning_amount, placed_at)

    async def _cancelled(self, work: Work, told: store.OrderCancelled) -> None:
        await self._grants.cancelled(work, told.order_id)

    async def _dispatched(self, work: Work, told: store.OrderDispatched | sparekey.KeyDispatched) -> None:
        await self._grants.dispatched(work, told.order_id, told.dispatched_at.ToDatetime(UTC))

    async def _delivered(self, work: Work, told: store.OrderDelivered) -> None:
        await self._grants.delivered(work, told.order_id, told.delivered_at.ToDatetime(UTC))

    async def _closed(self, work: Work, told: store.OrderClosed) -> None:
        if told.unclaimed:
            await self._grants.closed_unclaimed(work, told.order_id, told.header.occurred_at.ToDatetime(UTC))

    async def _amount_changed(self, work: Work, told: store.OrderAmountChanged) -> None:
        await self._grants.amount_changed(work, told.order_id, told.earning_amount)

    async def _astray(self, work: Work, told: sparekey.KeyReturned | sparekey.KeyLost) -> None:
        await self._grants.went_astray(work, told.order_id, told.header.occurred_at.ToDatetime(UTC))
