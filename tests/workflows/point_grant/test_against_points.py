"""The process on the real domain of points: deadline against cancellation, decided by the database (PR-06)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from deploy.local.postgres import Postgres
from services.points.grants.domain import GrantView, PostGrant
from tests.points.books import disagreements
from tests.points.world import WORKER, World, a_member, an_order
from tests.support.contexts import migrated
from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.point_grant.script import Points, running
from workflows.point_grant import contract as steps
from workflows.point_grant.contract import Standing

A_SECOND = timedelta(seconds=1)


class RealPoints(Points):
    """Answers from the domain itself."""

    def __init__(self, world: World, order_id: str) -> None:
        super().__init__()
        self.world = world
        self.order_id = order_id

    def activities(self) -> list[Callable[..., Any]]:
        return [self.really_review, self.really_post, self.record]

    @activity.defn(name=steps.REVIEW_GRANT.name)
    async def really_review(self, given: steps.ReviewGrant) -> Standing:
        self.reviews.append(given)
        return _standing(await self.world.grants.review(given.order_id))

    @activity.defn(name=steps.POST_GRANT.name)
    async def really_post(self, given: steps.PostGrant) -> Standing:
        self.posts.append(given)
        asked = PostGrant(request_id=given.request_id, as_of=given.as_of, order_id=given.order_id)
        return _standing(await self.world.grants.post(WORKER, asked))


def _standing(view: GrantView) -> Standing:
    return Standing.model_validate(view.model_dump(exclude={"order_id"}))


@pytest.fixture
async def world(postgres: Postgres, time: WorkflowEnvironment) -> AsyncIterator[World]:
    async with migrated(postgres, "points") as database:
        yield World(database, await time.get_current_time())
        broken = await disagreements(database)
    assert broken == []


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_an_order_cancelled_around_its_deadline_has_one_outcome(
    time: WorkflowEnvironment, world: World, seconds: int
) -> None:
    member, order = a_member(), an_order()
    await world.placed(member, order, 1_000)
    await world.delivered(order)
    due = (await world.grants.review(order)).due_at
    points = RealPoints(world, order)
    assert due is not None

    async with running(time.client, points) as process:
        await until(lambda: bool(points.reviews))
        await time.sleep(due - await time.get_current_time() + seconds * A_SECOND)
        await world.cancelled(order)
        if await world.lines(order) == ["start", "review", "review"]:
            await process.signal(steps.REVIEW)
        await time.sleep(2 * A_SECOND)
        ended = await end_of(process)

    kinds = [kind for kind, _ in await world.kinds(member)]
    assert ended == (await world.grants.review(order)).state
    assert kinds == ["pending", *(["pending-ended"] if ended == "cancelled" else ["granted", "reversed"])]
    assert seconds == 0 or ended == ("cancelled" if seconds < 0 else "granted")
    assert (await world.balance(member)).available == 0
