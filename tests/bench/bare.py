"""The bare ceiling: an update-with-start whose steps are local activities that do nothing (QA-22)."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

TASK_QUEUE = "bare"
STEPS = 5


@activity.defn(name="bare.nothing")
async def nothing(step: int) -> int:
    return step


@workflow.defn(name="bare-order")
class BareOrder:
    """As many steps as placing a key order has, and no logic."""

    def __init__(self) -> None:
        self._placed = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._placed)

    @workflow.update
    async def place(self) -> int:
        done = 0
        for step in range(STEPS):
            done += await workflow.execute_local_activity(
                nothing,
                step,
                schedule_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
        self._placed = True
        return done


async def serve(address: str, namespace: str) -> None:
    """The worker, a process of its own as ours is."""
    worker = Worker(
        await Client.connect(address, namespace=namespace),
        task_queue=TASK_QUEUE,
        workflows=[BareOrder],
        activities=[nothing],
        max_cached_workflows=2000,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(20),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(20),
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
