"""The supervisor, on small programs that write down what happens to them."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local import supervisor as supervising
from deploy.local.child import Program, ProgramError
from deploy.local.processes import Processes
from deploy.local.supervisor import Backoff, Supervisor, Unit

PROGRAM = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def write(what):
    with (folder / "journal").open("a") as journal:
        journal.write(f"{name} {what}\\n")
def end(*_):
    write("ends")
    sys.exit()
signal.signal(signal.SIGTERM, end)
"""
SERVES = 'write("serves"); (folder / f"{name}.serves").touch(); time.sleep(60)'
STUBBORN = "signal.signal(signal.SIGTERM, lambda *_: write('stays')); " + SERVES + "; time.sleep(60)"
WORKS = 'write("works")'
FAILS = 'write("fails"); sys.exit("the disk is full")'


class Bench:
    """Makes units, and knows what their programs wrote and what the supervisor told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.processes = Processes(folder / "processes.json")

    def unit(
        self,
        name: str,
        does: str = SERVES,
        *,
        after: Collection[str] = (),
        job: bool = False,
        furnish: Callable[[], Awaitable[None]] | None = None,
    ) -> Unit:
        serves = self.folder / f"{name}.serves"

        async def ready() -> bool:
            return serves.exists()

        async def prepare() -> None:
            serves.unlink(missing_ok=True)

        python = (sys.executable, "-S", "-E", "-c", PROGRAM + does, name, str(self.folder))
        program = Program(name, python, self.folder / f"{name}.log", ready, prepare=prepare)
        return Unit(program, after=after, furnish=furnish, job=job)

    @asynccontextmanager
    async def running(self, *units: Unit) -> AsyncIterator[Supervisor]:
        supervisor = Supervisor(units, self.processes, self.told.append)
        try:
            await supervisor.start()
            yield supervisor
        finally:
            await supervisor.stop()

    def write(self, line: str) -> None:
        with (self.folder / "journal").open("a") as journal:
            journal.write(line + "\n")

    @property
    def journal(self) -> list[str]:
        return (self.folder / "journal").read_text().splitlines()

    def kill(self, name: str) -> None:
        os.kill(self.processes.pids()[name], signal.SIGKILL)

    async def until(self, question: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not question():
            assert time.monotonic() < deadline, self.told
            await asyncio.sleep(0.02)

    async def until_told(self, words: str, times: int = 1) -> None:
        await self.until(lambda: sum(words in line for line in self.told) >= times)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_program_starts_when_all_before_it_are_ready_and_jobs_are_done(bench: Bench) -> None:
    units = bench.unit("shop", after=["tables"]), bench.unit("tables", WORKS, after=["books"], job=True)

    async with bench.running(*units, bench.unit("books")):
        assert bench.journal == ["books serves", "tables works", "shop serves"]


async def test_programs_that_need_nothing_of_each_other_start_side_by_side(bench: Bench) -> None:
    one_waits_for_two = 'other = folder / "two.serves"\nwhile not other.exists(): time.sleep(0.01)\n' + SERVES

    async with bench.running(bench.unit("one", one_waits_for_two), bench.unit("two")):
        assert bench.journal == ["two serves", "one serves"]


async def test_what_is_left_out_counts_as_ready(bench: Bench) -> None:
    async with bench.running(bench.unit("shop", after=["books"])):
        assert bench.journal == ["shop serves"]


@pytest.mark.rule("OP-20")
async def test_killed_program_comes_back_and_its_dependants_stay(bench: Bench) -> None:
    async with bench.running(bench.unit("books"), bench.unit("shop", after=["books"])):
        before = bench.processes.pids()

        bench.kill("books")
        await bench.until_told("books is back")

        after = bench.processes.pids()
        assert after["books"] != before["books"]
        assert after["shop"] == before["shop"]


async def test_program_that_keeps_ending_is_started_ever_later(bench: Bench) -> None:
    async with bench.running(bench.unit("books")):
        for times in (1, 2, 3):
            bench.kill("books")
            await bench.until_told("books is back", times)

    assert [line for line in bench.told if "again" in line] == [
        f"books ended with code -9; starting it again in {delay} s" for delay in ("0.1", "0.2", "0.4")
    ]


async def test_program_that_was_healthy_again_is_started_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "_HEALTHY_AGAIN", 0.0)
    async with bench.running(bench.unit("books")):
        for times in (1, 2):
            bench.kill("books")
            await bench.until_told("books is back", times)

    assert sum("again in 0.1 s" in line for line in bench.told) == 2


def test_pauses_double_up_to_five_seconds() -> None:
    backoff = Backoff()

    pauses = [backoff.next() for _ in range(8)]

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_first_start_that_fails_is_tried_again(bench: Bench) -> None:
    serves_at_second_try = 'mark = folder / "mark"\nif not mark.exists(): mark.touch(); sys.exit(1)\n' + SERVES

    async with bench.running(bench.unit("books", serves_at_second_try)):
        assert bench.journal == ["books serves"]


@pytest.mark.parametrize("job", [False, True])
async def test_start_that_cannot_succeed_says_what_the_program_said_and_leaves_nothing(
    bench: Bench, *, job: bool
) -> None:
    units = bench.unit("books"), bench.unit("shop", FAILS, after=["books"], job=job)

    with pytest.raises(ProgramError, match=r"shop ended with code 1; (.|\n)*the disk is full"):
        async with bench.running(*units):
            pass

    assert bench.processes.pids() == {}
    assert bench.journal[-1] == "books ends"


async def test_program_is_fitted_out_after_each_start_before_others_count_on_it(bench: Bench) -> None:
    async def furnish() -> None:
        bench.write("books fitted out")

    async with bench.running(bench.unit("books", furnish=furnish), bench.unit("shop", after=["books"])):
        bench.kill("books")
        await bench.until_told("books is back")

    assert bench.journal[:5] == [
        *("books serves", "books fitted out", "shop serves"),
        "books serves",
        "books fitted out",
    ]


async def test_program_that_cannot_be_fitted_out_is_tried_again_and_then_named(bench: Bench) -> None:
    async def furnish() -> None:
        bench.write("books refused")
        raise PermissionError("books are closed")

    with pytest.raises(ProgramError, match=r"books could not be fitted out: .*books are closed"):
        async with bench.running(bench.unit("books", furnish=furnish)):
            pass

    assert bench.journal.count("books refused") == 5
    assert bench.processes.pids() == {}


async def test_program_that_does_not_exist_is_named(bench: Bench) -> None:
    unit = bench.unit("books")
    missing = Unit(Program("books", ("/no/such/program",), unit.program.log, unit.program.ready))

    with pytest.raises(ProgramError, match=r"books cannot be started: .*No such file"):
        async with bench.running(missing):
            pass


async def test_programs_end_in_the_reverse_of_their_start(bench: Bench) -> None:
    async with bench.running(
        bench.unit("books"), bench.unit("shop", after=["books"]), bench.unit("door", after=["shop"])
    ):
        pass

    assert bench.journal[-3:] == ["door ends", "shop ends", "books ends"]


async def test_program_that_will_not_end_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "_GRACE", 0.2)

    async with bench.running(bench.unit("books"), bench.unit("mule", STUBBORN, after=["books"])):
        pass

    assert bench.journal[-2:] == ["mule stays", "books ends"]
    assert bench.processes.pids() == {}


async def test_paused_program_is_stopped_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "_GRACE", 0.2)

    async with bench.running(bench.unit("books")):
        os.kill(bench.processes.pids()["books"], signal.SIGSTOP)

    assert bench.processes.pids() == {}


async def test_stop_in_the_middle_of_a_start_leaves_nothing(bench: Bench) -> None:
    never = "write('starts'); time.sleep(60)"
    supervisor = Supervisor([bench.unit("books"), bench.unit("slow", never)], bench.processes, bench.told.append)
    start = asyncio.create_task(supervisor.start())
    await bench.until(lambda: (bench.folder / "journal").exists() and "slow starts" in bench.journal)

    start.cancel()
    await asyncio.wait([start])
    await supervisor.stop()

    assert start.cancelled()
    assert bench.processes.pids() == {}
