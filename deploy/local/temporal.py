"""Temporal's development server kept safe on disk, and ruum's namespace on it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.local.child import Program, installed
from deploy.local.ports import LOOPBACK
from deploy.local.probes import grpc_serves

NAMESPACE = "ruum"
RETENTION = timedelta(days=30)
SEARCH_ATTRIBUTES = {
    "Case": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "State": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Deadline": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "MemberId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "RoomId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "OrderId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "NeedsOperator": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}

# One partition a task queue: on one machine more only cost. Timers to 10 ms instead of a second.
# Time skipping lets the demo and the deadline tests move one workflow's clock (OP-21).
_DYNAMIC_CONFIG = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    'history.timerProcessorMaxTimeShift="10ms"',
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    "system.enableEagerWorkflowStart=true",
)
_FRONTEND = "temporal.api.workflowservice.v1.WorkflowService"


class Temporal:
    """One development server with its UI, on loopback ports; `folder` holds its database."""

    namespace = NAMESPACE

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        ui_port: int,
        http_port: int,
        metrics_port: int,
        log: Path,
        durable: bool = True,
    ) -> None:
        self.address = f"{LOOPBACK}:{port}"
        self.ui_url = f"http://{LOOPBACK}:{ui_port}"
        self._folder = folder
        self._ports = {"port": port, "ui-port": ui_port, "http-port": http_port, "metrics-port": metrics_port}
        self._log = log
        self._durable = durable

    def program(self) -> Program:
        # `full` lost an acknowledged start in a simulated power cut, `extra` did not.
        pragmas = ("journal_mode=wal", f"synchronous={'extra' if self._durable else 'off'}")
        options = [("--db-filename", str(self._folder / "temporal.db")), ("--ip", LOOPBACK)]
        options += [(f"--{name}", str(port)) for name, port in self._ports.items()]
        options += [("--sqlite-pragma", pragma) for pragma in pragmas]
        options += [("--dynamic-config-value", value) for value in _DYNAMIC_CONFIG]
        words = [word for option in options for word in option]
        return Program(
            name="temporal",
            argv=(
                installed("temporal"),
                *("server", "start-dev", "--ui-disable-news-fetch", "--log-level", "error"),
                *words,
            ),
            log=self._log,
            ready=self._ready,
            prepare=self._make_folder,
        )

    async def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def _ready(self) -> bool:
        return await grpc_serves(self.address, _FRONTEND)


async def prepare(client: Client) -> None:
    """Make the namespace ruum with its retention and search attributes; idempotent."""
    await _keep_namespace(client)
    await _until_known(client)
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
    missing = {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in listed.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=NAMESPACE, search_attributes=missing)
        )


async def _keep_namespace(client: Client) -> None:
    retention = Duration()
    retention.FromTimedelta(RETENTION)
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=NAMESPACE, workflow_execution_retention_period=retention)
        )
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=NAMESPACE, config=NamespaceConfig(workflow_execution_retention_ttl=retention)
            )
        )


async def _until_known(client: Client) -> None:
    """The server's parts learn of a new namespace one after the other."""
    while True:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
            await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=NAMESPACE))
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            await asyncio.sleep(0.05)
        else:
            return
