"""The stack as a person starts it: one to a folder, its ports, its end, and what survives a SIGKILL."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import nats
import psutil
import psycopg
import pytest
from temporalio.client import Client

from deploy.local import ports, supervisor
from deploy.local.home import AlreadyRunsError, Home
from deploy.local.ports import PortError
from deploy.local.processes import Processes
from deploy.local.stack import Stack, UnknownNameError, found, running
from deploy.local.table import SERVERS, Table
from services.chassis.stream import STREAM

UP = """
import sys
from pathlib import Path
from deploy.local.stack import up
up(Path(sys.argv[1]), changed_ports=sys.argv[2:], only=["nats"])
"""


class Told:
    """What the supervisor told, and a way to wait for words."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def hears(self, words: str) -> None:
        deadline = time.monotonic() + 30
        while not any(words in line for line in self.lines):
            assert time.monotonic() < deadline, self.lines
            await asyncio.sleep(0.02)


# A killed server


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, told: Told) -> AsyncIterator[Stack]:
    """The three servers, durable as on a developer's machine."""
    folder = tmp_path_factory.mktemp("鍵 stack")
    async with running(folder, ports.any_free(), only=SERVERS, tell=told.lines.append) as stack:
        yield stack


async def kill(stack: Stack, told: Told, name: str) -> None:
    told.lines.clear()
    os.kill(stack.processes.pids()[name], signal.SIGKILL)
    await told.hears(f"{name} is back")


async def orders(stack: Stack, statement: str) -> object:
    url = stack.table.postgres.dsn("store_owner")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute(statement)
        return await found.fetchone() if found.description else None


@pytest.mark.rule("OP-20")
async def test_killed_postgres_comes_back_with_what_was_committed(stack: Stack, told: Told) -> None:
    await orders(stack, "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS number")

    await kill(stack, told, "postgres")

    assert await orders(stack, "SELECT count(*) FROM orders") == (1000,)


async def test_postgres_of_a_stack_is_durable(stack: Stack) -> None:
    settings = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"

    assert await orders(stack, settings) == ("on", "on")


@pytest.mark.rule("OP-20")
async def test_killed_nats_comes_back_with_what_was_acknowledged(stack: Stack, told: Told) -> None:
    store = stack.table.nats.url("store")
    client = await nats.connect(store)
    jetstream = client.jetstream()
    await asyncio.gather(*(jetstream.publish("ruum.store.fact.v1", b"x") for _ in range(100)))
    await client.close()

    await kill(stack, told, "nats")

    client = await nats.connect(store)
    assert (await client.jetstream().stream_info(STREAM)).state.messages == 100
    await client.close()


async def test_deleted_stream_is_made_anew_when_nats_comes_back(stack: Stack, told: Told) -> None:
    shutil.rmtree(stack.table.home.nats / "jetstream")

    await kill(stack, told, "nats")

    client = await nats.connect(stack.table.nats.url("store"))
    assert (await client.jetstream().stream_info(STREAM)).state.messages == 0
    await client.close()


@pytest.mark.rule("OP-20")
async def test_killed_temporal_comes_back_with_every_case(stack: Stack, told: Told) -> None:
    client = await Client.connect(stack.table.temporal.address, namespace="ruum")
    cases = [await client.start_workflow("Any", id=f"case-{n}", task_queue="idle") for n in range(20)]

    await kill(stack, told, "temporal")

    assert [(await case.describe()).close_time for case in cases] == [None] * 20


async def test_stack_that_runs_is_found_by_its_folder(stack: Stack) -> None:
    same = found(stack.table.home.folder)

    assert same.processes.pids() == stack.processes.pids()
    assert same.table.postgres.admin_url == stack.table.postgres.admin_url
    assert same.processes.memory() > 50 * 1024**2


# One stack


async def test_second_stack_in_a_folder_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, ports.any_free(), only=[]):
        with pytest.raises(AlreadyRunsError, match="already runs in"):
            async with running(tmp_path, ports.any_free(), only=[]):
                pass


async def test_ports_that_are_taken_are_named_with_the_way_to_change_them(tmp_path: Path) -> None:
    free = ports.any_free()
    async with running(tmp_path / "one", free, only=["nats"]):
        with pytest.raises(PortError, match=rf"port {free['nats']} \(nats\); choose .* --port nats=\d+"):
            async with running(tmp_path / "two", free, only=["nats"]):
                pass


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("door=1", "no port is called door; there are gateway, "),
        ("nats=door", "nats=door gives nats no port"),
        ("nats=65536", "nats=65536 gives nats no port"),
        ("nats", "nats gives nats no port"),
    ],
)
def test_port_that_is_none_is_refused(change: str, complaint: str) -> None:
    with pytest.raises(PortError, match=complaint):
        ports.chosen([change])


def test_chosen_port_replaces_the_usual_one_only() -> None:
    assert ports.chosen(["gateway=9000"]) == {**ports.USUAL, "gateway": 9000}


async def test_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nothing is called door; there are postgres, "):
        async with running(tmp_path, ports.any_free(), only=["door"]):
            pass


async def test_data_and_secrets_stay_for_the_next_start(tmp_path: Path) -> None:
    free = ports.any_free()
    async with running(tmp_path, free, only=["postgres"]) as first:
        await orders(first, "CREATE TABLE orders AS SELECT 1 AS number")

    async with running(tmp_path, free, only=["postgres"]) as second:
        assert await orders(second, "SELECT * FROM orders") == (1,)


async def test_last_runs_logs_are_put_aside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for _ in range(2):
        async with running(tmp_path, ports.any_free(), only=["nats"]):
            pass

    ready = "Server is ready"
    assert home.log("nats").read_text().count(ready) == 1
    assert (tmp_path / "logs" / "previous" / "nats.log").read_text().count(ready) == 1


# The command


def command_of(folder: Path, chosen: Mapping[str, int]) -> list[str]:
    changes = [f"{name}={port}" for name, port in chosen.items()]
    return [sys.executable, "-c", UP, str(folder), *changes]


async def started(folder: Path, chosen: Mapping[str, int]) -> asyncio.subprocess.Process:
    """`up` with NATS alone, when it says that all is ready."""
    process = await asyncio.create_subprocess_exec(*command_of(folder, chosen), stdout=asyncio.subprocess.PIPE)
    await said(process)
    return process


async def said(up: asyncio.subprocess.Process) -> str:
    """What it has told by then."""
    assert up.stdout is not None
    return (await up.stdout.readuntil(b"Ctrl-C stops all\n")).decode()


@pytest.mark.rule("OP-20")
async def test_it_says_how_long_the_start_took_and_what_memory_it_holds(tmp_path: Path) -> None:
    command = command_of(tmp_path, ports.any_free())
    began = time.monotonic()
    up = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    told = await said(up)
    took = time.monotonic() - began
    up.terminate()

    ready, memory = re.search(r"all ready in ([\d.]+) s", told), re.search(r"memory +(\d+) MiB", told)
    assert ready is not None
    assert 0 < float(ready[1]) < took + 0.1
    assert memory is not None
    assert 10 < int(memory[1]) < 1000
    assert await up.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.rule("OP-20")
async def test_signal_stops_all(tmp_path: Path, number: signal.Signals) -> None:
    up = await started(tmp_path, ports.any_free())
    server = psutil.Process(Processes(Home(tmp_path).processes).pids()["nats"])

    up.send_signal(number)

    assert await up.wait() == 0
    assert not server.is_running()


async def test_impatient_second_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    up = await started(tmp_path, ports.any_free())
    slow = psutil.Process(Processes(Home(tmp_path).processes).pids()["nats"])
    slow.suspend()

    up.send_signal(signal.SIGINT)
    await asyncio.sleep(0.5)
    up.send_signal(signal.SIGINT)

    assert await up.wait() == 0
    assert not slow.is_running()


async def test_what_a_killed_stack_left_behind_ends_at_the_next_start(tmp_path: Path) -> None:
    chosen = ports.any_free()
    up = await started(tmp_path, chosen)
    left_behind = psutil.Process(Processes(Home(tmp_path).processes).pids()["nats"])
    up.kill()
    await up.wait()

    async with running(tmp_path, chosen, only=["nats"]) as stack:
        assert stack.processes.pids()["nats"] != left_behind.pid
        assert not left_behind.is_running() or left_behind.status() == psutil.STATUS_ZOMBIE


async def test_refused_start_says_why_in_one_line(tmp_path: Path) -> None:
    async with running(tmp_path, ports.any_free(), only=[]):
        up = await asyncio.create_subprocess_exec(
            *command_of(tmp_path, ports.any_free()), stderr=asyncio.subprocess.PIPE
        )
        _, said = await up.communicate()

    assert up.returncode == 1
    assert said.decode().startswith("ruum up: a stack already runs in")
    assert said.count(b"\n") == 1


# The table


def test_stubborn_programs_end_within_ten_seconds(tmp_path: Path) -> None:
    units = {unit.name: unit for unit in Table(Home(tmp_path), ports.USUAL).units()}

    def rank(name: str) -> int:
        unit = units[name]
        return (0 if unit.job else 1) + max((rank(before) for before in unit.after), default=0)

    assert max(map(rank, units)) * supervisor._GRACE < 10


def test_table_names_only_what_it_holds(tmp_path: Path) -> None:
    units = Table(Home(tmp_path), ports.USUAL).units()

    names = [unit.name for unit in units]

    for number, unit in enumerate(units):
        assert set(unit.after) <= set(names[:number])


async def test_servers_of_a_stack_acknowledge_only_what_is_on_the_disk(tmp_path: Path) -> None:
    table = Table(Home(tmp_path), ports.USUAL)

    await table.nats.write_config()

    written = json.loads((table.home.nats / "nats.conf").read_text())
    assert written["jetstream"]["sync_interval"] == "always"
    assert {"journal_mode=wal", "synchronous=extra"} <= set(table.temporal.program().argv)
    assert not [setting for setting in table.postgres.program().argv if "=off" in setting]
