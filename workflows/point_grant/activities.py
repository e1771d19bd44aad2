"""The steps of a grant as calls to points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from ruum.points.v1 import points_pb2 as pb
from services.chassis import wire
from workflows.kit import Recorded
from workflows.point_grant import contract as steps
from workflows.point_grant.contract import ActedOnGrant, PostGrant, ReviewGrant, Standing

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub


class PointGrantActivities:
    """Holds the stub of points."""

    def __init__(self, points: PointsServiceAsyncStub) -> None:
        self._points = points

    @activity.defn(name=steps.REVIEW_GRANT.name)
    async def review(self, given: ReviewGrant) -> Standing:
        return wire.read(Standing, await self._points.ReviewGrant(wire.write(pb.ReviewGrantRequest, given)))

    @activity.defn(name=steps.POST_GRANT.name)
    async def post(self, given: PostGrant) -> Standing:
        return wire.read(Standing, await self._points.PostGrant(wire.write(pb.PostGrantRequest, given)))

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: ActedOnGrant) -> Recorded:
        return wire.read(Recorded, await self._points.RecordAction(wire.write(pb.RecordActionRequest, given)))
