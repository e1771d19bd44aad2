"""The examples of docs/chassis.md, read off the page and run: on a real database, behind a real door."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.message_factory import GetMessageClass

import services
from deploy.local.postgres import Postgres
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.errors import Kind, RuumError
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.ids import new_id
from tests.conventions.rules import ROOT
from tests.support.callers import Keys, member, refused, service
from tests.support.contracts import Stub, contract, serving

PAGE = (ROOT / "docs/chassis.md").read_text("utf-8")
NOON = datetime(2026, 4, 3, 3, tzinfo=UTC)
"""Noon in Japan."""


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


CONTRACT = contract("\n".join(examples("proto")))


def written(root: Path) -> None:
    """The examples, each into the file that its first line names; one that names none is run as it stands."""
    for example in examples("python"):
        named = re.match(r"# (services/\S+\.py)\n", example)
        if named is None:
            exec(compile(example, "docs/chassis.md", "exec", dont_inherit=True), {})  # our own page
            continue
        path = root / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{example}")


def generated() -> dict[str, ModuleType]:
    """What is generated of a contract stands in for itself."""
    package, messages, stubs = (
        ModuleType(f"ruum.lockers.v1{name}") for name in ("", ".lockers_pb2", ".lockers_pb2_grpc")
    )
    for name, message in CONTRACT.message_types_by_name.items():
        setattr(messages, name, GetMessageClass(message))
    stubs.__dict__["add_LockersServiceServicer_to_server"] = None  # the test adds methods to its own server
    package.__dict__["lockers_pb2"] = messages
    return {module.__name__: module for module in (ModuleType("ruum.lockers"), package, messages, stubs)}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The `main` of the context that the page builds, among the others."""
    root = tmp_path_factory.mktemp("guide")
    written(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(services, "__path__", [*services.__path__, str(root / "services")])
        for name, module in generated().items():
            patched.setitem(sys.modules, name, module)
        yield import_module("services.lockers.main")
    for name in [name for name in sys.modules if name.startswith("services.lockers")]:
        del sys.modules[name]


@dataclass
class Lockers:
    """The service of the page as its callers reach it."""

    stub: Stub
    keys: Keys
    clock: FixedClock

    async def ask(self, caller: Caller, method: str, **given: Any) -> Any:
        request = GetMessageClass(CONTRACT.services_by_name["LockersService"].methods_by_name[method].input_type)
        return await self.stub(method, request(**given), metadata=self.keys.metadata(caller, "lockers", self.clock))

    async def book(self, caller: Caller, locker: str, days: int = 7, request: str = "") -> Any:
        return await self.ask(caller, "Book", request_id=request or new_id("req"), locker_id=locker, days=days)


@pytest.fixture(scope="module")
async def database(postgres: Postgres, taught: ModuleType) -> AsyncIterator[Database]:
    metadata: sa.MetaData = taught.requests.metadata
    database = Database(postgres.admin_url.replace("postgresql:", "postgresql+psycopg:"))
    async with database.engine.begin() as connection:
        await connection.execute(sa.schema.CreateSchema("lockers"))
        await connection.run_sync(metadata.create_all)
    yield database
    async with database.engine.begin() as connection:
        await connection.execute(sa.schema.DropSchema("lockers", cascade=True))
    await database.close()


@pytest.fixture
async def lockers(taught: ModuleType, database: Database, keys: Keys) -> AsyncIterator[Lockers]:
    clock = FixedClock(NOON)
    commands = Commands(database, Outbox("lockers", None, taught.outbox), taught.requests, b"k" * 32, clock)
    servicer = taught.LockersServicer(taught.wired(commands))
    offered = CONTRACT.services_by_name["LockersService"]
    behaviours = {method.name: getattr(servicer, method.name) for method in offered.methods}
    async with serving("lockers", keys.ring(clock), offered, behaviours) as (_, stub):
        yield Lockers(stub, keys, clock)


def somebody() -> Caller:
    return member(new_id("mem"))


def locker() -> str:
    return new_id("lkr")


async def test_a_booking_costs_yen_and_ends_with_a_day_in_japan(lockers: Lockers) -> None:
    booked = await lockers.book(somebody(), locker(), days=7)

    assert (booked.price, booked.last_day.iso, booked.state) == (700, "2026-04-10", "booked")


async def test_the_same_request_books_once_and_other_content_is_refused(lockers: Lockers) -> None:
    me, one = somebody(), locker()
    first = await lockers.book(me, one, request="r")

    assert await lockers.book(me, one, request="r") == first
    assert (await refused(lockers.book(me, one, days=8, request="r"))).kind is Kind.REUSED
    assert len((await lockers.ask(me, "ListBookings")).bookings) == 1


async def test_of_two_who_want_one_locker_the_second_is_told(lockers: Lockers) -> None:
    wanted = locker()
    await lockers.book(somebody(), wanted)

    told = await refused(lockers.book(somebody(), wanted))

    assert (told.kind, told.code) == (Kind.REFUSED, "locker-taken")


async def test_bad_input_is_answered_field_by_field(lockers: Lockers) -> None:
    told: RuumError = await refused(lockers.book(somebody(), "locker 7", days=31))

    assert {violation.field for violation in told.violations} == {"locker_id", "days"}


async def test_the_timer_ends_what_is_due_and_leaves_the_rest(lockers: Lockers) -> None:
    booked = await lockers.book(somebody(), locker(), days=1)
    end = datetime(2026, 4, 4, 15, tzinfo=UTC)

    async def at(instant: datetime) -> str:
        given = {"request_id": new_id("req"), "booking_id": booked.booking_id, "as_of": instant}
        return str((await lockers.ask(service("worker"), "EndIfBooked", **given)).state)

    assert await at(end - timedelta(seconds=1)) == "booked"
    assert await at(end) == "ended"


async def test_what_is_anothers_is_not_found_and_who_is_not_listed_is_refused(lockers: Lockers) -> None:
    mine = somebody()
    booked = await lockers.book(mine, locker())

    assert (await lockers.ask(mine, "GetBooking", booking_id=booked.booking_id)) == booked
    assert (await refused(lockers.ask(somebody(), "GetBooking", booking_id=booked.booking_id))).kind is Kind.NOT_FOUND
    worker = lockers.ask(service("worker"), "GetBooking", booking_id=booked.booking_id)
    assert (await refused(worker)).kind is Kind.NOT_ALLOWED


async def test_bookings_are_paged_newest_first(lockers: Lockers) -> None:
    me = somebody()
    booked = sorted([(await lockers.book(me, locker())).booking_id for _ in range(3)], reverse=True)

    first = await lockers.ask(me, "ListBookings", page={"size": 2})
    second = await lockers.ask(me, "ListBookings", page={"size": 2, "cursor": first.next_cursor})

    assert [booking.booking_id for booking in (*first.bookings, *second.bookings)] == booked
    assert (len(first.bookings), second.next_cursor) == (2, "")


def test_the_page_speaks_of_every_rule_of_commands_and_queries() -> None:
    assert set(re.findall(r"^\*\*(PR-\d\d)", PAGE, re.MULTILINE)) == {
        f"PR-{number:02}" for number in (*range(1, 8), *range(10, 17))
    }
