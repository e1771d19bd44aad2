"""A spare-key order's process joined with the real service: its deadlines, and the action that races each (PR-06).

Production's worker asks the real domain over gRPC, on a real database; store and points are a script. Time passes for
each process alone, by the rules' own lengths; the service's clock stands where the test puts it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub, add_SparekeyServiceServicer_to_server
from services.chassis.clock import FixedClock, SystemClock
from services.chassis.db import Database
from services.sparekey.cases.models import Case
from services.sparekey.processes import KeyProcesses
from services.sparekey.servicer import SparekeyServicer
from tests.sparekey.world import World
from tests.support.callers import Keys
from tests.support.contexts import served
from tests.support.waiting import until
from tests.workflows.door import PATIENCE, Moment, ended, forward
from tests.workflows.sparekey_order.fakes import Services
from workflows.sparekey_order import contract as steps
from workflows.sparekey_order.activities import SparekeyActivities
from workflows.worker import activities_of, build

CONTRACT = sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"]
A_SECOND = timedelta(seconds=1)


class Door(SparekeyActivities):
    """Production's activities; those that a timer sends wait at the door for the test."""

    def __init__(self, sparekey: Any) -> None:
        super().__init__(sparekey)
        self.moments: dict[str, Moment] = defaultdict(Moment)

    @activity.defn(name=steps.EXPIRE.name)
    async def expire(self, given: steps.CaseStep) -> steps.Case:
        return await self.moments[given.order_id].passes(given, super().expire)

    @activity.defn(name=steps.REMIND.name)
    async def remind(self, given: steps.Reminder) -> steps.Case:
        return await self.moments[given.order_id].passes(given, super().remind)

    @activity.defn(name=steps.CALL_OPERATOR.name)
    async def call_operator(self, given: steps.Because) -> steps.Case:
        return await self.moments[given.order_id].passes(given, super().call_operator)


class Order:
    """One order: its orderer, its row, its process, and the process's own time."""

    def __init__(self, joined: Joined, world: World, order_id: str) -> None:
        self.joined, self.world, self.id = joined, world, order_id
        self.moment = joined.door.moments[order_id]
        self._brought = 0

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.joined.client.get_workflow_handle(steps.workflow_id(self.id))

    async def row(self) -> Case:
        return await self.world.case(self.id)

    async def stands(self, *states: str, **columns: Any) -> Case:
        """The row, once it stands like this."""

        async def like_this() -> Case | None:
            row = await self.row()
            same = all(getattr(row, name) == value for name, value in columns.items())
            return row if row.state in states and same else None

        row: Case = await until(like_this)
        return row

    async def now(self) -> datetime:
        return await self.joined.skipper.get_current_time(self.handle)

    async def forward_to(self, instant: datetime) -> None:
        await forward(self.joined.skipper, self.handle, instant)

    async def hears(self, word: Awaitable[Any]) -> None:
        """A word from outside at the process's present time, and the poke that it leaves in the outbox."""
        self.world.go_to(max(self.world.now, await self.now()))
        await word
        await self.bring()

    async def bring(self) -> None:
        """What the relay does: pokes reach the process."""
        written = await self.world.pokes(self.id)
        if written > self._brought:
            self._brought = written
            await self.handle.signal(steps.CASE_CHANGED)

    async def lives_to(self, instant: datetime, state: str, **columns: Any) -> None:
        """Time passes, whatever falls due is answered, and then the order stands like this."""
        self.moment.open.set()
        await self.forward_to(instant)
        await self.stands(state, **columns)
        self.moment.forget()

    async def result(self) -> str:
        async with asyncio.timeout(PATIENCE):
            ended: str = await self.handle.result()
        return ended

    def money(self) -> list[str]:
        """What was asked of store and points for this order."""
        return [name for name, given in self.joined.services.asked if given.order_id == self.id]

    # Straight ways, the process doing its part.

    async def asked_for_number(self) -> None:
        await self.hears(self.world.asked(self.id))
        await self.stands("number-asked")

    async def making(self) -> None:
        await self.hears(self.world.checked(self.id, "exists"))
        await until(self._is_arranged)

    async def _is_arranged(self) -> bool:
        return (await self.row()).arranged_at is not None

    async def cut(self) -> None:
        await self.making()
        await self.hears(self.world.maker_says("ready", self.id, making=1))

    async def released(self) -> None:
        await self.cut()
        await self.stands("released")

    async def sent(self) -> None:
        await self.released()
        await self.hears(self.world.dispatched(self.id))
        await self.stands("dispatched")

    async def scanned(self, kind: str) -> None:
        row = await self.row()
        await self.world.scan(row.tracking_number, kind, partner="post" if row.carrier == "post" else "carrier")

    async def missed(self) -> None:
        await self.sent()
        await self.hears(self.scanned("absent"))
        await self.stands("absent")

    async def back(self) -> None:
        await self.sent()
        await self.hears(self.world.returned(self.id, self.world.clock.now().astimezone(UTC).date()))
        await self.stands("returned")

    async def redelivering(self) -> None:
        await self.back()
        await self.hears(self.world.ask_redelivery(self.id))
        await self.stands("redelivering")


class Joined:
    """The world, the server that processes run on, and the worker between them."""

    def __init__(self, world: World, client: Client, door: Door, services: Services) -> None:
        self.world, self.client, self.door, self.services = world, client, door, services
        self.skipper = TimeSkipper(client)
        self.orders: list[Order] = []

    async def ordered(self, wish_in: int | None = None) -> Order:
        """A placed order whose key number the maker has been asked about.

        Args:
            wish_in: a day wished for, so many days from now.
        """
        world = self.world.next_door()
        order_id, snapshot_hash = await world.ready_to_place()
        if wish_in is not None:
            world.store.baskets[order_id].wish_date = (world.now + timedelta(days=wish_in)).date()
            snapshot_hash = await world.review(order_id)
        answer = await world.place(order_id, snapshot_hash)
        assert answer.outcome == "placed"
        order = Order(self, world, order_id)
        self.orders.append(order)
        await until(partial(_asked, world, order_id))
        return order


@asynccontextmanager
async def joined(database: Database, keys_file: Path, keys: Keys, client: Client) -> AsyncIterator[Joined]:
    """All of it, from the machine's present time on; what still runs at the end is terminated."""
    now = datetime.now(UTC)
    world = World(database, keys_file, now, KeyProcesses(client, FixedClock(now), 7))
    clock, services = SystemClock(), Services(points=0)
    add = partial(add_SparekeyServiceServicer_to_server, SparekeyServicer(world.domain))
    async with served("sparekey", keys.ring(clock), [CONTRACT], add) as running:
        channel = keys.channel("worker", running.address, "sparekey", clock)
        door = Door(SparekeyServiceStub(channel))
        here = Joined(world, client, door, services)
        async with build(client, [*activities_of(door), *services.money()]):
            yield here
            for order in here.orders:
                order.moment.open.set()
                async with ended():
                    await order.handle.terminate()
        await channel.close()


async def _asked(world: World, order_id: str) -> bool:
    return bool(world.maker.did("check", order_id))
