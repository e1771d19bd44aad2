"""The worker: runs every process and its activities in one operating-system process (`ruum worker`)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import log, rpc, temporal
from services.chassis.caller import KeyRing, Signer
from services.chassis.settings import load
from services.reconcile.collect import Reader
from services.reconcile.rules import disagreements
from workflows import schedules
from workflows.daily.activities import DailyActivities
from workflows.daily.contract import Difference
from workflows.daily.workflow import Daily
from workflows.invoice.activities import InvoiceActivities
from workflows.invoice.workflow import DeferredInvoice
from workflows.kit import TASK_QUEUE
from workflows.money.activities import MoneyActivities
from workflows.point_grant.activities import PointGrantActivities
from workflows.point_grant.workflow import PointGrant
from workflows.settings import WorkerSettings
from workflows.sparekey_order.activities import SparekeyActivities
from workflows.sparekey_order.workflow import SparekeyOrder

WORKFLOWS = [SparekeyOrder, PointGrant, DeferredInvoice, Daily]


def activities_of(*groups: object) -> list[Callable[..., Any]]:
    """The methods under `@activity.defn` of objects that hold the stubs."""
    # Temporal has no public way to ask for the mark that its decorator leaves; a test compares with the contracts.
    methods = [method for group in groups for _, method in inspect.getmembers(group, inspect.ismethod)]
    return [method for method in methods if hasattr(method, "__temporal_activity_definition")]


def build(client: Client, activities: Sequence[Callable[..., Any]]) -> Worker:
    """The worker of all processes; figures as measured on two cores (docs/sizing.md)."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=activities,
        interceptors=[temporal.NamedFailures()],
        max_cached_workflows=2000,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(20),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(20),
        graceful_shutdown_timeout=timedelta(seconds=5),
    )


async def differences(reader: Reader) -> list[Difference]:
    """What `ruum reconcile` would print, read under the worker's own name (docs/decisions/0012)."""
    found = await asyncio.to_thread(disagreements, await reader.books())
    return [Difference(kind=one.kind, of=one.of, says=one.says) for one in found]


async def serve() -> None:
    """Runs until SIGTERM or Ctrl-C; health is answered beside it."""
    settings = load(WorkerSettings)
    log.configure("worker", settings.log_level)
    clock = settings.clock()
    signer = Signer(settings.signing_key_file, "worker", clock)
    store = rpc.channel(settings.store_address, "store", signer)
    points = rpc.channel(settings.points_address, "points", signer)
    sparekey = rpc.channel(settings.sparekey_address, "sparekey", signer)
    client = await temporal.connect(settings.temporal_address, settings.temporal_namespace)
    stores, ledger, keys = StoreServiceStub(store), PointsServiceStub(points), SparekeyServiceStub(sparekey)
    activities = activities_of(
        MoneyActivities(stores, ledger),
        SparekeyActivities(keys),
        PointGrantActivities(ledger),
        InvoiceActivities(stores),
        DailyActivities(ledger, keys, partial(differences, Reader(stores, ledger, keys, client))),
    )
    worker = build(client, activities)
    await schedules.keep(client)
    server = rpc.Server("worker", settings.listen, KeyRing(settings.keys_dir, clock), [], settings.metrics_listen)
    server.beside(worker.run)
    await server.serve()
    await worker.shutdown()
    for channel in (store, points, sparekey):
        await channel.close()
