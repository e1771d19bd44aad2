"""The book of a stack's processes, which outlives the stack."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import Processes


@pytest.fixture
async def sleeper() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_recorded_process_is_ended(tmp_path: Path, sleeper: asyncio.subprocess.Process) -> None:
    Processes(tmp_path / "book").record("nats", sleeper.pid)

    Processes(tmp_path / "book").end_leftovers()

    assert await sleeper.wait() == -9
    assert Processes(tmp_path / "book").pids() == {}


async def test_stranger_with_a_recorded_number_is_left_alone(
    tmp_path: Path, sleeper: asyncio.subprocess.Process
) -> None:
    book = tmp_path / "book"
    Processes(book).record("nats", sleeper.pid)
    book.write_text(json.dumps({"nats": [sleeper.pid, 1_000_000_000.0]}))

    Processes(book).end_leftovers()

    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_SLEEPING
    assert Processes(book).pids() == {}


async def test_dead_process_is_not_listed(tmp_path: Path, sleeper: asyncio.subprocess.Process) -> None:
    processes = Processes(tmp_path / "book")
    processes.record("nats", sleeper.pid)

    sleeper.kill()
    await sleeper.wait()

    assert processes.pids() == {}
    assert processes.memory() == 0
