"""The two servers that the process is tried on, with the converter that production uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from deploy.local.child import installed
from deploy.local.temporal import SEARCH_ATTRIBUTES, Temporal


@pytest.fixture
async def time() -> AsyncIterator[WorkflowEnvironment]:
    """A server of one test, whose time stands still but for `sleep`, which passes days in milliseconds."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=installed("temporal-test-server"), data_converter=pydantic_data_converter
    ) as environment:
        asked = AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=SEARCH_ATTRIBUTES)
        await environment.client.operator_service.add_search_attributes(asked)
        yield environment


@pytest.fixture(scope="session")
async def dev(temporal_server: Temporal) -> Client:
    """The real development server: visibility, search attributes and updates as in production."""
    return await Client.connect(temporal_server.address, namespace="ruum", data_converter=pydantic_data_converter)
