"""Residents of one running ruum, and everybody they have to do with."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from deploy.demo.console import until
from deploy.demo.neighbours import Neighbour, Seed
from deploy.demo.resident import Means, Resident
from deploy.demo.story import ADDRESS, VISA
from deploy.demo.timemachine import TimeMachine
from deploy.local.postgres import DATABASE
from deploy.local.stack import Stack
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from services.chassis import temporal
from services.chassis.ids import new_id
from services.chassis.jst import jst_date
from services.chassis.settings import told_by
from services.reconcile.collect import ReconcileSettings, read_by_operator
from services.reconcile.facts import Disagreement
from services.reconcile.rules import disagreements
from services.texts import Texts
from tests.journeys.partners import Partner, Partners

PASSWORD = "correct horse battery staple"
NAME = "見本 花子"
RECIPIENT = {"name": NAME, "kana": "ミホン ハナコ", "phone": "09012345678"}
TEXTS = Texts.load()
NEEDS_OPERATOR = SearchAttributeKey.for_bool("NeedsOperator")


class Case(NamedTuple):
    """What operators see of a case: whether it needs them, and its page."""

    needs_operator: bool
    page: str


class Household:
    """One resident with a registered room, their mails and the lease that they live under."""

    def __init__(self, resident: Resident, mail: str, room_id: str, lease: str) -> None:
        self.resident = resident
        self.mail = mail
        self.room_id = room_id
        self.lease = lease


class Town:
    """Everything that a journey touches."""

    def __init__(self, stack: Stack, client: Client) -> None:
        environment = stack.table.environment
        self.stack = stack
        self.client = client
        self.console = Partners(environment.console_url)
        self.desk = Neighbour("desk", environment.caller("desk"))
        self.contracts = Neighbour("contract-master", environment.caller("contract-master"))
        self._campaigns = Neighbour("campaign-desk", environment.caller("campaign-desk"))
        self.seed = Seed(self.contracts, self._campaigns, self.desk)
        self.machine = TimeMachine(stack.table.home.clock, client)
        self._worker = Neighbour("worker", environment.caller("worker"))
        self._residents: list[Resident] = []

    @classmethod
    async def founded(cls, stack: Stack) -> Town:
        table = stack.table
        town = cls(stack, await temporal.connect(table.temporal.address, table.temporal.namespace))
        await town.seed.plant()
        return town

    async def close(self) -> None:
        for resident in self._residents:
            await resident.close()
        for neighbour in (self.desk, self.contracts, self._campaigns, self._worker):
            await neighbour.close()
        await self.console.close()

    async def household(self, *, points: int = 0, language: str = "ja") -> Household:
        """Somebody who has just moved in, with points of the opening campaign."""
        resident = Resident(self.stack.table.environment.public_url, self.console, language)
        self._residents.append(resident)
        mail = f"resident.{uuid4().hex[:8]}@mail.example"
        await resident.sign_up(mail, PASSWORD)
        await resident.complete_profile(NAME, RECIPIENT["kana"], ADDRESS)
        lease = await self.seed.new_lease(NAME)
        pair = await self.seed.code_pair(lease)
        room_id = await resident.register_room(pair.code1, pair.code2)
        if points:
            last_day = (self.machine.clock.now() + timedelta(days=300)).date().isoformat()
            await self.seed.welcome_points(resident.member_id, points, last_day)
        return Household(resident, mail, room_id, lease)

    async def card(self, number: str = VISA) -> Means:
        return Means("card", await self.console.card_token(number))

    async def drafted(self, home: Household, means: Means, number: str = "AB12CD34", **settings: object) -> str:
        """A key in the cart, all chosen."""
        order_id = await home.resident.draft_key(home.room_id, "normal", 1, number)
        await home.resident.choose(order_id, means, recipient=RECIPIENT, **settings)
        return order_id

    async def ordered(self, home: Household, means: Means, number: str = "AB12CD34", **settings: object) -> str:
        """A key that was ordered."""
        order_id = await self.drafted(home, means, number, **settings)
        placed = await home.resident.place(order_id)
        assert placed["outcome"] == "placed", placed
        return order_id

    async def being_cut(self, home: Household, means: Means) -> str:
        """A key that was ordered and that the maker is cutting: it was told, which its state alone does not say."""
        order_id = await self.ordered(home, means)
        await home.resident.sees(order_id, "making")
        await self.maker_has(order_id)
        return order_id

    def case(self, order_id: str) -> WorkflowHandle[object, object]:
        return self.client.get_workflow_handle(f"sparekey-order/{order_id}")

    async def act(self, order_id: str, action: str, operator: str = "op_sato", **arguments: str) -> str:
        """An operator's action, once the case's page offers it: what members see is a moment ahead of it."""

        async def offered() -> bool | None:
            return True if f"`{action}`" in await self._page(order_id) else None

        await until(offered, f"operators to be offered {action}")
        return await self.send(order_id, action, operator, **arguments)

    async def send(self, order_id: str, action: str, operator: str = "op_sato", **arguments: str) -> str:
        """An action, as the Temporal UI sends it, offered or not; one that Temporal says it has lost is sent again."""
        given = {"operator": operator, "reason": "by-phone"} | arguments
        update_id = f"press/{uuid4()}"
        while True:
            try:
                answer: str = await self.case(order_id).execute_update(action, given, id=update_id)
            except RPCError as lost:
                if lost.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
            else:
                return answer

    async def number_at_desk(self, order_id: str, key_number: str) -> str:
        """A number that a customer told the desk. Returns what stands for it in Temporal (SK-14)."""
        asked = sparekey_pb2.DeskEnterKeyNumberRequest(
            request_id=f"desk/{uuid4()}", order_id=order_id, key_number=key_number
        )
        desk = SparekeyServiceStub(self.desk.channel("sparekey"))
        given: sparekey_pb2.DeskReference = await desk.DeskEnterKeyNumber(
            asked, metadata=self.desk.as_operator("sparekey", "op_sato")
        )
        return given.reference

    async def forward(self, **by: float) -> None:
        await self.machine.forward(timedelta(**by))

    async def forward_to(self, instant: str, seconds: float) -> None:
        """Moves on to so many seconds after an instant that a page has shown."""
        ahead = datetime.fromisoformat(instant) - self.machine.clock.now()
        await self.forward(seconds=ahead.total_seconds() + seconds)

    async def is_back(self, partner: Partner) -> None:
        """A partner answers again, and an hour later whoever gave up asking has asked it again."""
        await self.console.suffers(partner)
        await self.settled()
        await self.forward(hours=1)

    async def subjects(self, home: Household) -> list[str]:
        return [message["subject"] for message in await self.console.messages(home.mail)]

    async def mailed(self, home: Household, letter: str, times: int = 1) -> bool:
        """Whether a letter reached a resident just so often, once it has."""
        subject = TEXTS.render("mail-subject-line", "ja", subject=TEXTS.render(f"mail-{letter}-subject", "ja"))

        async def arrived() -> bool | None:
            return True if (await self.subjects(home)).count(subject) >= times else None

        await until(arrived, f"the letter {letter}")
        return (await self.subjects(home)).count(subject) == times

    async def maker_has(self, order_id: str) -> dict[str, Any]:
        """The order at the maker, once it has it."""
        return await until(lambda: self.console.order(order_id), "the maker to have the order")

    async def shows(self, home: Household, order_id: str, what: str, value: object) -> None:
        """Waits until an order's page says something."""

        async def shown() -> bool | None:
            return True if (await home.resident.key_order(order_id))[what] == value else None

        await until(shown, f"{what} to be {value}")

    async def audits(self, order_id: str) -> list[tuple[str, str, str]]:
        """What operators did to a case: action, operator, reason (OP-02)."""
        asked = "SELECT action, operator, reason FROM sparekey.audits WHERE order_id = %s ORDER BY position"
        admin = self.stack.table.postgres.admin_url
        async with await psycopg.AsyncConnection.connect(admin, dbname=DATABASE) as database:
            return await (await database.execute(asked, [order_id])).fetchall()

    def needs_operator(self, described: WorkflowExecution) -> bool:
        return bool(described.typed_search_attributes.get(NEEDS_OPERATOR))

    async def seen_by_operators(self, order_id: str, said: str = "") -> Case:
        """The case in the Temporal UI, once it needs a person and its page says so."""

        async def seen() -> Case | None:
            needs = self.needs_operator(await self.case(order_id).describe())
            page = await self._page(order_id)
            return Case(needs, page) if needs and said in page else None

        return await until(seen, f"operators to be told {said}")

    async def _page(self, order_id: str) -> str:
        shown = await self.case(order_id).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return str(shown.current_details)

    @asynccontextmanager
    async def points_held(self, home: Household, points: int) -> AsyncIterator[None]:
        """Another order of the member's is being placed with so many points."""
        ledger = PointsServiceStub(self._worker.channel("points"))
        step: dict[str, Any] = {"request_id": f"held/{uuid4()}", "order_id": new_id("ord"), "attempt": 1}
        parts = [points_pb2.HoldPart(part_id="line", points=points)]
        await ledger.Hold(points_pb2.HoldRequest(**step, member_id=home.resident.member_id, parts=parts))
        try:
            yield
        finally:
            await ledger.Release(points_pb2.ReleaseRequest(**step | {"request_id": f"free/{uuid4()}"}))

    async def moved_out(self, home: Household) -> None:
        """The lease has ended: yesterday was its last day (RM-22)."""
        yesterday = jst_date(self.machine.clock.now()) - timedelta(days=1)
        await self.seed.restate(home.lease, ends_on={"iso": yesterday.isoformat()})

    async def removed(self, home: Household) -> None:
        """The member leaves the room (RM-21)."""
        await home.resident.post(f"rooms/{home.room_id}/removals", member_ids=[home.resident.member_id])

    async def books_agree(self) -> Sequence[Disagreement]:
        """What reconcile finds once everything has come to rest; nothing, when all is well."""
        found: Sequence[Disagreement] = ()

        async def at_rest() -> bool | None:
            nonlocal found
            found = disagreements(await read_by_operator(self._reconcile()))
            return None if found else True

        try:
            await until(at_rest, "the books to agree", within=30)
        except TimeoutError:
            return found
        return ()

    def kill(self, name: str) -> None:
        """SIGKILL; the supervisor brings it back."""
        os.kill(self.stack.processes.pids()[name], signal.SIGKILL)

    async def settled(self) -> None:
        await asyncio.sleep(1)

    def _reconcile(self) -> ReconcileSettings:
        table = self.stack.table
        told = table.environment.caller("desk") | {"RUUM_TEMPORAL_ADDRESS": table.temporal.address}
        return told_by(ReconcileSettings, told)
