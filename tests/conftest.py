"""The real servers that tests run on: each started when the first test asks for it, stopped at the end."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from psycopg import sql
from structlog.typing import Processor
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from deploy.local import nats
from deploy.local.child import installed, running
from deploy.local.ports import free_port, free_ports
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from deploy.local.temporal import Temporal, prepare
from services import CONTEXTS
from services.chassis import log
from tests.support import logs, streams

pytest_plugins = ["tests.support.callers", "tests.support.alone", "tests.support.shares"]


@pytest.fixture(scope="session", autouse=True)
def _log_lines() -> None:
    """As they are deployed, and only what is unusual: drawn tracebacks take a second each."""
    processors: list[Processor] = [log.mask, structlog.processors.JSONRenderer()]
    structlog.configure(processors, wrapper_class=structlog.make_filtering_bound_logger("warning"))


@pytest.fixture(autouse=True)
def _logging_is_left_as_it_was() -> Iterator[None]:
    """A handler that a test leaves writes to what was closed with it, in every test that follows."""
    before = logs.ours()
    yield
    assert logs.ours() == before


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Where the servers of this test run keep their data; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ruum-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
async def postgres(server_folder: Path) -> AsyncIterator[Postgres]:
    """PostgreSQL with every context's schema and roles; not durable."""
    passwords = _passwords(ADMIN, *ROLES)
    server = Postgres(server_folder / "pg", free_port(), passwords, log=server_folder / "postgres.log", durable=False)
    async with running(server.program()):
        await create_contexts(server.admin_url, passwords)
        await _let_pools_stay_open(server)
        yield server


async def _let_pools_stay_open(server: Postgres) -> None:
    """Those of one folder's tests are open until the run ends, beside those of the next."""
    async with await psycopg.AsyncConnection.connect(server.admin_url, autocommit=True) as admin:
        for context in CONTEXTS:
            await admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT -1").format(sql.Identifier(context)))


@pytest.fixture(scope="session")
async def nats_server(server_folder: Path) -> AsyncIterator[nats.Nats]:
    """NATS with JetStream and a user for every context; not durable. Who spoils it takes one of their own."""
    async with streams.started(server_folder) as server:
        yield server


@pytest.fixture(scope="session")
async def temporal_server(server_folder: Path) -> AsyncIterator[Temporal]:
    """Temporal's development server with the namespace and search attributes of ruum; not durable."""
    port, ui_port, http_port, metrics_port = free_ports(4)
    server = Temporal(
        server_folder / "temporal",
        port,
        ui_port=ui_port,
        http_port=http_port,
        metrics_port=metrics_port,
        log=server_folder / "temporal.log",
        durable=False,
    )
    async with running(server.program()):
        await prepare(await Client.connect(server.address))
        yield server


@pytest.fixture(scope="session")
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal test server whose clock jumps to the next timer: days pass in milliseconds."""
    server = installed("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=server) as environment:
        yield environment


def _passwords(*names: str) -> dict[str, str]:
    return {name: f"{name}-test" for name in names}
