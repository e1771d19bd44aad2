from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from deploy.local.temporal import Temporal
from tests.support.waiting import until
from workflows.views import views

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)

Begin = Callable[..., Awaitable[str]]


@pytest.fixture
async def temporal(temporal_server: Temporal) -> Client:
    return await Client.connect(temporal_server.address, namespace=temporal_server.namespace)


@pytest.fixture
def mark() -> str:
    return f"views-{uuid.uuid4().hex}"


@pytest.fixture
def begin(temporal: Client, mark: str) -> Begin:
    """A case with what the list shows of it; nobody works on it."""

    async def begin(*, needs: bool = False, state: str = "making", deadline: datetime | None = None) -> str:
        shown: list[SearchAttributePair[Any]] = [
            SearchAttributePair(SearchAttributeKey.for_keyword("Case"), mark),
            SearchAttributePair(SearchAttributeKey.for_keyword("State"), state),
            SearchAttributePair(SearchAttributeKey.for_bool("NeedsOperator"), needs),
        ]
        if deadline is not None:
            shown.append(SearchAttributePair(SearchAttributeKey.for_datetime("Deadline"), deadline))
        attributes = TypedSearchAttributes(shown)
        case = await temporal.start_workflow(
            "Any", id=uuid.uuid4().hex, task_queue="idle", search_attributes=attributes
        )
        return case.id

    return begin


async def finds(temporal: Client, mark: str, view: str, *expected: str) -> None:
    """What the view shows of this test's cases, as soon as the list knows them all."""
    query = f"({views(NOW)[view]}) AND `Case` = '{mark}'"

    async def same() -> bool:
        return {case.id async for case in temporal.list_workflows(query)} == set(expected)

    await until(same)


async def listed(temporal: Client, mark: str, count: int) -> None:
    async def known() -> bool:
        return (await temporal.count_workflows(f"`Case` = '{mark}'")).count == count

    await until(known)


@pytest.mark.rule("OP-01")
async def test_needs_me_shows_running_cases_that_need_a_person(temporal: Client, mark: str, begin: Begin) -> None:
    needing, _, ended = await begin(needs=True), await begin(), await begin(needs=True)
    await temporal.get_workflow_handle(ended).terminate()
    await listed(temporal, mark, 3)

    await finds(temporal, mark, "needs me", needing)


@pytest.mark.rule("OP-01")
async def test_due_and_overdue_part_at_the_deadline(temporal: Client, mark: str, begin: Begin) -> None:
    late, now, soon = [await begin(deadline=NOW + by) for by in (-SECOND, 0 * SECOND, DAY - SECOND)]
    await begin(deadline=NOW + DAY)
    await begin()
    await listed(temporal, mark, 5)

    await finds(temporal, mark, "overdue", late)
    await finds(temporal, mark, "due in 24 h", now, soon)


@pytest.mark.rule("OP-01")
async def test_stopped_shows_dispatches_that_were_stopped_and_cases_that_broke_off(
    temporal: Client, mark: str, begin: Begin
) -> None:
    stopped, broken, _ = await begin(state="stopped"), await begin(), await begin()
    await temporal.get_workflow_handle(broken).terminate()
    await listed(temporal, mark, 3)

    await finds(temporal, mark, "stopped", stopped, broken)
