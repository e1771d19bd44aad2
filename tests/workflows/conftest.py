"""Clients of the two servers that a process is tried on, with the converter that production uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from deploy.local.temporal import Temporal
from tests.workflows.histories import skipping_time


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


@pytest.fixture(scope="session")
async def dev(temporal_server: Temporal) -> Client:
    """The real development server: updates, visibility and search attributes as in production."""
    return await Client.connect(temporal_server.address, namespace="ruum", data_converter=pydantic_data_converter)
