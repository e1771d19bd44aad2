"""The book of a stack's processes, which outlives the stack."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import Processes
from tests.support.waiting import until


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


HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("started", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""
"""A program whose first thread has ended and whose second has not, as a killed server is for a moment."""


async def test_a_program_lives_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HEADLESS, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert program.stdout is not None
    await program.stdout.readline()
    processes = Processes(tmp_path / "book")
    processes.record("nats", program.pid)
    await until(lambda: psutil.Process(program.pid).status() == psutil.STATUS_ZOMBIE)

    listed = processes.pids()
    processes.end_leftovers()

    assert listed == {"nats": program.pid}
    assert await program.wait() == -9


async def test_dead_process_is_not_listed(tmp_path: Path, sleeper: asyncio.subprocess.Process) -> None:
    processes = Processes(tmp_path / "book")
    processes.record("nats", sleeper.pid)

    sleeper.kill()
    await sleeper.wait()

    assert processes.pids() == {}
    assert processes.memory() == 0
