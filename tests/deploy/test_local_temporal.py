"""Temporal as tests and the local stack run it: its namespace, its search attributes and its time."""

import uuid
from datetime import UTC, datetime, timedelta

from temporalio import workflow
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Worker

from deploy.local.temporal import Temporal, prepare
from tests.support.waiting import until

QUEUE = "tests-of-servers"


@workflow.defn(sandboxed=False)
class Month:
    """Waits thirty days, or until it is told to end."""

    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: self._told, timeout=timedelta(days=30))
        except TimeoutError:
            return "waited"
        return "told"

    @workflow.update
    async def end(self) -> str:
        self._told = True
        return "ending"


async def test_namespace_keeps_closed_cases_for_thirty_days(temporal_server: Temporal) -> None:
    client = await Client.connect(temporal_server.address)

    await prepare(client)

    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="ruum"))
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)


async def test_cases_are_found_by_every_search_attribute(temporal_server: Temporal) -> None:
    client = await Client.connect(temporal_server.address, namespace=temporal_server.namespace)
    mark = uuid.uuid4().hex
    words = ("Case", "State", "MemberId", "RoomId", "OrderId")
    attributes = TypedSearchAttributes(
        [
            *(SearchAttributePair(SearchAttributeKey.for_keyword(word), mark) for word in words),
            SearchAttributePair(SearchAttributeKey.for_datetime("Deadline"), datetime(2026, 5, 3, tzinfo=UTC)),
            SearchAttributePair(SearchAttributeKey.for_bool("NeedsOperator"), value=True),
        ]
    )

    case = await client.start_workflow(Month.run, id=mark, task_queue="idle", search_attributes=attributes)

    # `Case` is also a word of SQL: without its quotes the query is refused.
    query = " AND ".join(f"`{word}` = '{mark}'" for word in words)
    query += " AND Deadline < '2026-05-04T00:00:00Z' AND NeedsOperator = true"
    assert await until(lambda: found(client, query)) == [case.id]
    await case.terminate()


async def test_case_starts_with_its_first_update(temporal_server: Temporal) -> None:
    client = await Client.connect(temporal_server.address, namespace=temporal_server.namespace)
    async with Worker(client, task_queue=QUEUE, workflows=[Month]):
        start = WithStartWorkflowOperation(
            Month.run,
            id=uuid.uuid4().hex,
            task_queue=QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

        answer = await client.execute_update_with_start_workflow(Month.end, start_workflow_operation=start)

        assert answer == "ending"
        assert await (await start.workflow_handle()).result() == "told"


async def test_one_case_is_moved_in_time(temporal_server: Temporal) -> None:
    client = await Client.connect(temporal_server.address, namespace=temporal_server.namespace)
    skipper = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
    async with Worker(client, task_queue=QUEUE, workflows=[Month]):
        moved, still = [
            await skipper.client.start_workflow(Month.run, id=uuid.uuid4().hex, task_queue=QUEUE) for _ in range(2)
        ]

        await skipper.fast_forward(moved, timedelta(days=31))

        assert await moved.result() == "waited"
        assert (await still.describe()).close_time is None
        await still.terminate()


async def test_month_passes_at_once_on_the_time_skipping_server(time_skipping: WorkflowEnvironment) -> None:
    client = time_skipping.client
    async with Worker(client, task_queue=QUEUE, workflows=[Month]):
        assert await client.execute_workflow(Month.run, id="month", task_queue=QUEUE) == "waited"


async def found(client: Client, query: str) -> list[str]:
    return [case.id async for case in client.list_workflows(query)]
