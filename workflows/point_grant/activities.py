"""The steps of a grant as calls to points."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temporalio import activity

from ruum.points.v1 import points_pb2
from workflows import wire
from workflows.point_grant import contract as steps
from workflows.point_grant.contract import Acted, PostGrant, Recorded, ReviewGrant, Standing

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.points.v1.points_pb2_grpc import PointsServiceAsyncStub


class PointGrantActivities:
    """Holds the stub of points."""

    def __init__(self, points: PointsServiceAsyncStub) -> None:
        self._points = points

    def all(self) -> list[Callable[..., Any]]:
        """What the worker registers."""
        return [self.review, self.post, self.record]

    @activity.defn(name=steps.REVIEW_GRANT.name)
    async def review(self, given: ReviewGrant) -> Standing:
        request = points_pb2.ReviewGrantRequest(order_id=given.order_id, as_of=wire.stamp(given.as_of))
        return _standing(await self._points.ReviewGrant(request))

    @activity.defn(name=steps.POST_GRANT.name)
    async def post(self, given: PostGrant) -> Standing:
        request = points_pb2.PostGrantRequest(
            request_id=given.request_id, order_id=given.order_id, as_of=wire.stamp(given.as_of)
        )
        return _standing(await self._points.PostGrant(request))

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: Acted) -> Recorded:
        request = points_pb2.RecordActionRequest(
            request_id=given.request_id,
            as_of=wire.stamp(given.as_of),
            order_id=given.order_id,
            operator=given.operator,
            action=given.action,
            reason=given.reason,
        )
        return Recorded(action_id=(await self._points.RecordAction(request)).action_id)


def _standing(view: points_pb2.Grant) -> Standing:
    return Standing.model_validate(
        {
            "state": wire.word(points_pb2.GrantState, view.state),
            "points": view.points,
            "due_at": wire.instant(view, "due_at"),
        }
    )
