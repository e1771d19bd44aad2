"""Process lines and a real Temporal server: nothing started twice, nothing told to nobody."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from deploy.local.temporal import Temporal
from services.chassis.clock import Clock, MovableClock, SystemClock
from services.chassis.db import Database
from services.chassis.errors import Unavailable
from services.chassis.events import Outbox, ProcessLine, outbox_table
from services.chassis.processes import Opening, Process, ProcessStarter, client
from services.chassis.relay import Relay

QUEUE = "tests-of-processes"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Seed(BaseModel):
    order_id: str
    clock_ahead_seconds: float


@workflow.defn(sandboxed=False)
class Waits:
    """Notes what it is told, until it is told to end."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self, seed: Seed) -> str:
        await workflow.wait_condition(lambda: "end" in self.heard)
        return f"{seed.order_id} {seed.clock_ahead_seconds} {' '.join(self.heard)}"

    @workflow.signal
    def review(self) -> None:
        self.heard.append("review")

    @workflow.signal
    def end(self, how: dict[str, str]) -> None:
        self.heard += [how["how"], "end"]


def opening(line: ProcessLine, ahead: float) -> Opening:
    seed = Seed(order_id=str(line.arguments["order_id"]), clock_ahead_seconds=ahead)
    return Opening(seed, summary=f"waits for {line.key}", attributes={"OrderId": seed.order_id, "Case": "waits"})


@dataclass
class Books:
    """An outbox of its own, and what hands its lines on."""

    database: Database
    outbox: Outbox
    temporal: Client

    def relay(self, clock: Clock | None = None) -> Relay:
        processes = {"waits": Process("Waits", QUEUE, opening)}
        starter = ProcessStarter(self.temporal, processes, self.database, self.outbox, clock or SystemClock())
        return Relay(self.database, self.outbox, "process", starter)

    async def write(self, *lines: ProcessLine) -> None:
        await self.database.transact(lambda tx: self.outbox.write(tx, [], lines, NOW))

    async def waiting(self) -> int:
        t = self.outbox.table.c
        async with self.database.reading() as session:
            found = await session.scalar(sa.select(sa.func.count()).where(t.handed_on_at.is_(None)))
        return int(found or 0)

    async def status(self, key: str) -> WorkflowExecutionStatus | None:
        return (await self.temporal.get_workflow_handle(f"waits/{key}").describe()).status


@pytest.fixture
async def books(postgres: Postgres, temporal_server: Temporal) -> AsyncIterator[Books]:
    """With a worker beside them."""
    schema = f"processes_{uuid.uuid4().hex}"
    metadata = sa.MetaData(schema=schema)
    outbox = Outbox("waits", None, outbox_table(metadata))
    url = postgres.admin_url.replace("postgresql:", "postgresql+psycopg:")
    async with await psycopg.AsyncConnection.connect(postgres.admin_url) as admin:
        await admin.execute(f"create schema {schema}".encode())
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    temporal = await Client.connect(
        temporal_server.address, namespace=temporal_server.namespace, data_converter=pydantic_data_converter
    )
    async with Worker(temporal, task_queue=QUEUE, workflows=[Waits]):
        yield Books(database, outbox, temporal)
    await database.close()


def start(key: str) -> ProcessLine:
    return ProcessLine(process="waits", key=key, arguments={"order_id": key})


def told(key: str, action: str = "review", **arguments: str) -> ProcessLine:
    return ProcessLine(process="waits", key=key, action=action, arguments=dict(arguments))


def new_key() -> str:
    return f"ord_{uuid.uuid4().hex}"


async def test_a_process_starts_under_its_own_id_and_hears_what_follows_in_order(books: Books) -> None:
    key = new_key()
    await books.write(start(key), told(key), told(key, "end", how="well"))

    moved = await books.relay().drain()

    assert moved == 3
    assert await books.temporal.get_workflow_handle(f"waits/{key}").result() == f"{key} 0.0 review well end"


async def test_a_process_is_found_by_what_it_concerns(books: Books) -> None:
    key = new_key()
    await books.write(start(key))

    await books.relay().drain()

    described = await books.temporal.get_workflow_handle(f"waits/{key}").describe()
    assert dict(described.search_attributes)["OrderId"] == [key]
    assert await described.static_summary() == f"waits for {key}"


@pytest.mark.rule("OP-06")
async def test_what_could_not_reach_temporal_reaches_it_later(books: Books) -> None:
    key = new_key()
    await books.write(start(key), told(key))
    reachable = books.temporal
    books.temporal = await client(f"127.0.0.1:{free_port()}", "ruum")

    with pytest.raises(Unavailable):
        await books.relay().drain()
    books.temporal = reachable
    moved = await books.relay().drain()

    assert moved == 2
    assert await books.status(key) == WorkflowExecutionStatus.RUNNING


async def test_a_start_that_exists_is_settled_and_starts_nothing_anew(books: Books) -> None:
    running, ended = new_key(), new_key()
    await books.write(start(running), start(ended), told(ended, "end", how="well"))
    await books.relay().drain()
    await books.temporal.get_workflow_handle(f"waits/{ended}").result()

    await books.write(start(running), start(ended))
    await books.relay().drain()

    assert await books.waiting() == 0
    assert await books.status(running) == WorkflowExecutionStatus.RUNNING
    assert await books.status(ended) == WorkflowExecutionStatus.COMPLETED


async def test_a_signal_to_a_process_that_has_ended_is_settled(books: Books) -> None:
    key = new_key()
    await books.write(start(key), told(key, "end", how="well"))
    await books.relay().drain()
    await books.temporal.get_workflow_handle(f"waits/{key}").result()

    await books.write(told(key))
    moved = await books.relay().drain()

    assert moved == 1


async def test_a_signal_never_overtakes_the_start_of_its_process(books: Books) -> None:
    key = new_key()
    held_by_another = start(key).model_copy(update={"grace_seconds": 1})
    await books.write(held_by_another, told(key), told(key, "end", how="late"))

    assert await books.relay().drain() == 0
    await asyncio.sleep(1.1)
    await books.relay().drain()

    assert await books.temporal.get_workflow_handle(f"waits/{key}").result() == f"{key} 0.0 review late end"


async def test_a_line_that_cannot_be_handed_on_holds_up_only_its_own_process(books: Books) -> None:
    key = new_key()
    broken = start("broken").model_copy(update={"arguments": {}})
    await books.write(broken, told("broken"), start(key))

    moved = await books.relay().drain()

    assert moved == 1
    assert await books.waiting() == 2
    assert await books.status(key) == WorkflowExecutionStatus.RUNNING


async def test_a_process_is_told_how_far_the_clock_was_moved(books: Books, tmp_path: Path) -> None:
    key = new_key()
    clock = MovableClock(tmp_path / "clock")
    clock.move(timedelta(days=2))
    await books.write(start(key), told(key, "end", how="well"))

    await books.relay(clock).drain()

    assert await books.temporal.get_workflow_handle(f"waits/{key}").result() == f"{key} 172800.0 well end"
