"""What a process asks because a time is up, held at the service's door until the test lets it in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub, add_StoreServiceServicer_to_server
from services.chassis.clock import SystemClock
from services.chassis.db import Database
from services.store.servicer import StoreServicer
from tests.store.world import World
from tests.support.callers import Keys
from tests.support.contexts import served
from tests.support.waiting import until

A = TypeVar("A")
PATIENCE = 20.0
"""Seconds of the machine's time that a test waits for a worker."""


@dataclass
class Moment:
    """The timer's questions about one thing, and their answers.

    Attributes:
        late_by: how much longer they take to the service, in seconds.
    """

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    late_by: float = 0.0
    instants: list[datetime] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    async def passes(self, given: Any, ask: Callable[[Any], Awaitable[A]]) -> A:
        """A question on its way to the service."""
        self.instants.append(given.as_of)
        self.asked.set()
        await self.open.wait()
        await asyncio.sleep(self.late_by)
        answer = await ask(given)
        self.answers.append(answer)
        return answer

    async def timer_asks(self) -> None:
        """Waits until the process has asked because a time is up."""
        async with asyncio.timeout(PATIENCE):
            await self.asked.wait()

    async def answered(self) -> None:
        """Waits until the service has answered the timer."""
        await until(lambda: self.answers)

    def forget(self) -> None:
        """What was due so far is of no concern; the next waits again."""
        self.asked.clear()
        self.open.clear()
        self.instants.clear()
        self.answers.clear()


def leads(runs: int) -> list[float]:
    """How far the action is ahead of the timer in each of many races, in seconds: from well behind to well ahead.

    Most are close; those at the ends see to it that both win on any machine.
    """
    return [3.0 * lead**3 for lead in ((2 * run + 1) / runs - 1 for run in range(runs))]


@asynccontextmanager
async def ended() -> AsyncIterator[None]:
    """What is said to a process that may have ended is lost on it, and nothing else."""
    try:
        yield
    except RPCError as failure:
        if failure.status is not RPCStatusCode.NOT_FOUND:
            raise


async def forward(skipper: TimeSkipper, process: WorkflowHandle[Any, Any], instant: datetime) -> None:
    """Lets a process live to an instant, unless it has, or has ended before."""
    left = instant - await skipper.get_current_time(process)
    if left > timedelta():
        async with ended():
            await skipper.fast_forward(process, left)


@asynccontextmanager
async def real_store(database: Database, keys: Keys) -> AsyncIterator[tuple[World, StoreServiceStub]]:
    """The real store behind its contract, its clock at the machine's present time, as the worker reaches it."""
    world, clock = World(database), SystemClock()
    world.clock.advance(datetime.now(UTC) - world.clock.now())
    contract = store_pb2.DESCRIPTOR.services_by_name["StoreService"]

    def add(server: Any) -> None:
        add_StoreServiceServicer_to_server(StoreServicer(world.store), server)

    async with served("store", keys.ring(clock), [contract], add) as running:
        channel = keys.channel("worker", running.address, "store", clock)
        yield world, StoreServiceStub(channel)
        await channel.close()
    await world.leave_nothing_open()
