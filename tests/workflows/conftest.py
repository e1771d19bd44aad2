"""Clients of the two servers that a process is tried on, with the converter that production uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from deploy.local.temporal import Temporal
from tests.support.waiting import until
from tests.workflows.door import ended
from tests.workflows.histories import skipping_time

RUNNING = 'ExecutionStatus = "Running"'


@pytest.fixture
async def time() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose time stands still but for `sleep`, which passes days in milliseconds.

    One a test: time cannot pass on a server while a workflow of an earlier test waits for a worker.
    """
    async with skipping_time() as environment:
        yield environment


@pytest.fixture
def skipping(time: WorkflowEnvironment) -> Client:
    return time.client


@pytest.fixture
async def dev(temporal_server: Temporal) -> Client:
    """The real development server: updates, visibility and search attributes as in production.

    Nothing runs on it: what an earlier test left open would be given to this one's worker.
    """
    client = await Client.connect(temporal_server.address, namespace="ruum", data_converter=pydantic_data_converter)
    await until(partial(_nothing_runs, client))
    return client


async def _nothing_runs(client: Client) -> bool:
    """Whether nothing did; ends what does."""
    left = [client.get_workflow_handle(run.id, run_id=run.run_id) async for run in client.list_workflows(RUNNING)]
    for process in left:
        async with ended():
            await process.terminate()
    return not left
