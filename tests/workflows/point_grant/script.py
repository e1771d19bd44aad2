"""Points as one grant sees it, as a script: only the process is under test here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from services.chassis.ids import new_id
from services.chassis.temporal import NamedFailures
from workflows.kit import Recorded
from workflows.point_grant import contract as steps
from workflows.point_grant.contract import ActedOnGrant, PostGrant, ReviewGrant, Standing, StartGrant
from workflows.point_grant.workflow import PointGrant


class Points:
    """One grant: what a test makes of it, and what was asked of it.

    Attributes:
        failure: what a review fails with, when set.
        first: happens when the grant is asked for, just before points decides.
        willing: whether points grants what is due.
    """

    def __init__(self, due_at: datetime | None = None, points: int = 30) -> None:
        self.order_id = new_id("ord")
        self.standing = Standing(state="pending", points=points, due_at=due_at)
        self.reviews: list[ReviewGrant] = []
        self.posts: list[PostGrant] = []
        self.actions: list[ActedOnGrant] = []
        self.failure: ApplicationError | None = None
        self.first: Callable[[], None] = lambda: None
        self.willing = True

    def to(self, **changed: Any) -> None:
        self.standing = self.standing.model_copy(update=changed)

    @activity.defn(name=steps.REVIEW_GRANT.name)
    async def review(self, given: ReviewGrant) -> Standing:
        self.reviews.append(given)
        if self.failure is not None:
            raise self.failure
        return self.standing

    @activity.defn(name=steps.POST_GRANT.name)
    async def post(self, given: PostGrant) -> Standing:
        """Decides as points does: granted when it is pending and due as of now."""
        self.posts.append(given)
        self.first()
        due = self.standing.due_at
        if self.willing and self.standing.state == "pending" and due is not None and due <= given.as_of:
            self.to(state="granted", due_at=None)
        return self.standing

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: ActedOnGrant) -> Recorded:
        self.actions.append(given)
        return Recorded(action_id="act_1")

    def activities(self) -> list[Callable[..., Any]]:
        return [self.review, self.post, self.record]


@asynccontextmanager
async def running(client: Client, points: Points, ahead: float = 0) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """The process of this grant, with a worker of its own and the sandbox on."""
    queue = f"queue-{points.order_id}"
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[PointGrant],
        activities=points.activities(),
        interceptors=[NamedFailures()],
    )
    async with worker:
        yield await client.start_workflow(
            steps.WORKFLOW,
            StartGrant(order_id=points.order_id, member_id="mem_1", clock_ahead_seconds=ahead),
            id=steps.workflow_id(points.order_id),
            task_queue=queue,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword("OrderId"), points.order_id)]
            ),
        )
