"""`ruum demo`: a stack, the story on it, and what it left behind (OP-21)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from deploy.demo.console import Console
from deploy.demo.neighbours import Neighbour, Seed
from deploy.demo.resident import Resident
from deploy.demo.story import Story, Told
from deploy.demo.timemachine import TimeMachine
from deploy.local.stack import Stack, running
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from services.chassis import temporal
from services.chassis.jst import JST
from services.chassis.settings import told_by
from services.reconcile.collect import ReconcileSettings, read_by_operator
from services.reconcile.rules import disagreements


class Demo:
    """The story on one stack, with everybody who takes part."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        environment = stack.table.environment
        self._neighbours = {
            name: Neighbour(name, environment.caller(name)) for name in ("contract-master", "campaign-desk", "desk")
        }
        self.seed = Seed(
            self._neighbours["contract-master"], self._neighbours["campaign-desk"], self._neighbours["desk"]
        )
        self.console = Console(environment.console_url)

    async def close(self) -> None:
        await self.console.close()
        for neighbour in self._neighbours.values():
            await neighbour.close()

    async def run(self) -> list[str]:
        """Tells the story; answers what is to be printed after it."""
        table = self._stack.table
        client = await temporal.connect(table.temporal.address, table.temporal.namespace)
        machine = TimeMachine(table.home.clock, client)
        resident = Resident(table.environment.public_url, self.console)
        try:
            await self.seed.plant()
            address = f"hanako.{uuid4().hex[:6]}@mail.example"
            told = await Story(resident, self.console, self.seed, machine).tell(address)
            return [*_timeline(told), *await self._mails(told), *await self._books()]
        finally:
            await resident.close()

    async def _mails(self, told: Told) -> list[str]:
        messages = await self.console.messages(told.address)
        return ["", "Mails", *(f"  {message['subject']}" for message in messages)]

    async def _books(self) -> list[str]:
        desk = self._neighbours["desk"]
        balance: points_pb2.TrialBalance = await PointsServiceStub(desk.channel("points")).GetTrialBalance(
            points_pb2.GetTrialBalanceRequest(), metadata=desk.as_operator("points")
        )
        rows = [f"  {account.account:<24}{account.points:>10,}" for account in balance.accounts]
        books = await read_by_operator(self._reconcile())
        money = [
            f"  {order_id}  {one.state:<10} due {one.due:>6,}  charged {one.captured:>6,}  back {one.refunded:>6,} yen"
            for order_id, one in books.money.items()
        ]
        found = disagreements(books)
        verdict = [f"  {one}" for one in found] or ["  all books agree"]
        return [
            "",
            "Points ledger",
            *rows,
            f"  {'sum':<24}{balance.sum:>10,}",
            "",
            "Orders and payments",
            *money,
            "",
            "Reconcile",
            *verdict,
        ]

    def _reconcile(self) -> ReconcileSettings:
        table = self._stack.table
        told = table.environment.caller("desk") | {"RUUM_TEMPORAL_ADDRESS": table.temporal.address}
        return told_by(ReconcileSettings, told)


def _timeline(told: Told) -> Iterable[str]:
    yield from ("", f"Timeline of {told.order_id} as its owner sees it")
    for entry in told.order["timeline"]:
        yield f"  {_day(entry['at'])}  {entry['code']}"


def _day(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(JST):%Y-%m-%d %H:%M}"


async def welcome(stack: Stack) -> Iterable[str]:
    """Seeds a fresh stack and tells the story on it; the lines are printed when all is ready."""
    demo = Demo(stack)
    try:
        return await demo.run()
    finally:
        await demo.close()


async def once(folder: Path, chosen: Mapping[str, int]) -> None:
    """The story on a stack that is stopped after it.

    Raises:
        Exception: the story did not go as told; the exit code says so.
    """
    async with running(folder, chosen) as stack:
        for line in await welcome(stack):
            print(line)
