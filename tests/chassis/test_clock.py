from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.clock import FixedClock, MovableClock, SystemClock, clock_from

# Another process with its own mapping of the file: says the time, or moves it, whenever it is asked on stdin.
OTHER_PROCESS = """
import sys
from datetime import timedelta
from pathlib import Path
from services.chassis.clock import MovableClock
clock = MovableClock(Path(sys.argv[1]))
for line in sys.stdin:
    if line.startswith("move"):
        clock.move(timedelta(microseconds=int(line.split()[1])))
    print(clock.now().timestamp(), flush=True)
"""


class OtherProcess:
    def __init__(self, clock_file: Path, stack: ExitStack) -> None:
        self._process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", OTHER_PROCESS, str(clock_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )

    def ask(self, question: str) -> datetime:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return datetime.fromtimestamp(float(self._process.stdout.readline()), UTC)


@pytest.mark.rule("PR-05")
def test_a_move_is_seen_at_once_by_all_processes(tmp_path: Path) -> None:
    clock_file = tmp_path / "clock"
    with ExitStack() as stack:
        clock = MovableClock(clock_file)
        first, second = (OtherProcess(clock_file, stack) for _ in range(2))
        before = first.ask("now"), second.ask("now")

        clock.move(timedelta(days=7))

        assert first.ask("now") - before[0] >= timedelta(days=7)
        assert second.ask("now") - before[1] >= timedelta(days=7)
        assert abs(first.ask("now") - clock.now()) < timedelta(seconds=5)
        moved_by_other = second.ask(f"move {86_400_000_000}")
        assert abs(moved_by_other - clock.now()) < timedelta(seconds=5)
        assert clock.offset == timedelta(days=8)


@pytest.mark.rule("PR-05")
def test_moves_made_at_once_in_several_processes_add_up(tmp_path: Path) -> None:
    clock_file = tmp_path / "clock"
    with ExitStack() as stack:
        processes = [OtherProcess(clock_file, stack) for _ in range(2)]

        def move_often(process: OtherProcess) -> None:
            for _ in range(500):
                process.ask("move 1")

        with ThreadPoolExecutor() as threads:
            list(threads.map(move_often, processes))

    assert MovableClock(clock_file).offset == timedelta(microseconds=1000)


@pytest.mark.rule("PR-05")
@given(st.timedeltas(timedelta(), timedelta(days=36_500)))
def test_the_file_holds_the_offset_as_little_endian_microseconds(
    tmp_path_factory: pytest.TempPathFactory, by: timedelta
) -> None:
    clock_file = tmp_path_factory.mktemp("clock") / "clock"

    MovableClock(clock_file).move(by)

    stored = int.from_bytes(clock_file.read_bytes(), "little", signed=True)
    assert timedelta(microseconds=stored) == by == MovableClock(clock_file).offset


@pytest.mark.rule("PR-05")
def test_time_never_moves_back(tmp_path: Path) -> None:
    movable = MovableClock(tmp_path / "clock")
    fixed = FixedClock(datetime(2026, 7, 3, tzinfo=UTC))

    for move in (movable.move, fixed.advance):
        with pytest.raises(ValueError, match="forward"):
            move(timedelta(microseconds=-1))

    assert movable.offset == timedelta()


@pytest.mark.rule("PR-05")
@pytest.mark.parametrize("deployment", ["production", "staging", "Local", ""])
def test_time_cannot_be_moved_in_a_deployment(tmp_path: Path, deployment: str) -> None:
    clock_file = tmp_path / "clock"

    with pytest.raises(ValueError, match="RUUM_CLOCK_FILE"):
        clock_from(deployment, clock_file)

    assert not clock_file.exists()


def test_a_clock_file_is_used_on_a_developers_machine_and_only_when_set(tmp_path: Path) -> None:
    assert isinstance(clock_from("local", tmp_path / "clock"), MovableClock)
    assert isinstance(clock_from("local", None), SystemClock)
    assert isinstance(clock_from("production", None), SystemClock)


def test_a_file_that_is_no_clock_is_left_as_it_is(tmp_path: Path) -> None:
    letter = tmp_path / "letter"
    letter.write_text("dear resident")

    with pytest.raises(ValueError, match="no clock file"):
        MovableClock(letter)

    assert letter.read_text() == "dear resident"


def test_a_fixed_clock_stands_still_until_it_is_advanced() -> None:
    clock = FixedClock(datetime(2026, 7, 3, 9, tzinfo=timezone(timedelta(hours=9))))

    clock.advance(timedelta(minutes=1))

    assert clock.now() == clock.now() == datetime(2026, 7, 3, 0, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert SystemClock().now().tzinfo is UTC
