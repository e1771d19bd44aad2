"""The steps of the nights: calls to the services that own the data, and the comparison of their books."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from temporalio import activity

from ruum.points.v1 import points_pb2
from ruum.sparekey.v1 import sparekey_pb2
from services.chassis import wire
from workflows.daily import contract as steps
from workflows.daily.contract import Compared, Difference, Round, Swept
from workflows.kit import Given

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub
    from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceAsyncStub

_MEMBERS_A_ROUND = 500
_TOLD = 1000


class DailyActivities:
    """Holds the stubs of the services that have something to do at night.

    Args:
        differences: reads all books and finds what does not agree.
    """

    def __init__(
        self,
        points: PointsServiceAsyncStub,
        sparekey: SparekeyServiceAsyncStub,
        differences: Callable[[], Awaitable[Sequence[Difference]]],
    ) -> None:
        self._points = points
        self._sparekey = sparekey
        self._differences = differences

    @activity.defn(name=steps.POST_EXPIRY.name)
    async def post_expiry(self, given: Round) -> Swept:
        request = wire.write(
            points_pb2.PostExpiryRequest, given, as_of=None, last_day=given.day, limit=_MEMBERS_A_ROUND
        )
        posted = await self._points.PostExpiry(request)
        return Swept(done=posted.lots, more=posted.more)

    @activity.defn(name=steps.ERASE_KEY_NUMBERS.name)
    async def erase_key_numbers(self, given: Round) -> Swept:
        request = sparekey_pb2.EraseKeyNumbersRequest(request_id=given.request_id)
        return Swept(done=(await self._sparekey.EraseKeyNumbers(request)).erased)

    @activity.defn(name=steps.KEYS_LEAVING.name)
    async def look_again(self, given: Round) -> Swept:
        request = sparekey_pb2.LookAgainRequest(request_id=given.request_id)
        return Swept(done=(await self._sparekey.LookAgain(request)).keys)

    @activity.defn(name=steps.COMPARE.name)
    async def compare(self, _given: Given) -> Compared:
        found = await self._differences()
        return Compared(found=tuple(found[:_TOLD]), count=len(found))
