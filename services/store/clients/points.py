"""What a member has to spend, from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruum.points.v1 import points_pb2

if TYPE_CHECKING:
    # Only the stubs of types know it.
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub


class PointsClient:
    def __init__(self, points: PointsServiceAsyncStub) -> None:
        self._points = points

    async def available(self, member_id: str) -> int:
        balance = await self._points.GetBalance(points_pb2.GetBalanceRequest(member_id=member_id))
        return balance.available
