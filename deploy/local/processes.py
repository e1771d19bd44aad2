"""Which processes belong to a stack, written down so that others can find, kill, measure or clear them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_POLL, _PATIENCE = 0.02, 5.0


class Processes:
    """The running programs of a stack by name, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, name: str, pid: int) -> None:
        """Remember that this program now runs as `pid`."""
        known = self._read()
        with suppress(psutil.NoSuchProcess):
            known[name] = (pid, psutil.Process(pid).create_time())
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(known))
        unfinished.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def pids(self) -> dict[str, int]:
        """The programs that are alive now."""
        return {name: process.pid for name, process in self._alive()}

    def memory(self) -> int:
        """Bytes that all programs and their children hold, each shared page counted once in all."""
        found = 0
        for _, process in self._alive():
            with suppress(psutil.NoSuchProcess):
                found += sum(_share(one) for one in (process, *process.children(recursive=True)))
        return found

    def end_leftovers(self) -> None:
        """Kill what a stack left behind that was itself killed, and wait until it is gone."""
        for _, process in self._alive():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE
        while self.pids() and time.monotonic() < deadline:
            time.sleep(_POLL)
        self.forget()

    def _alive(self) -> Iterator[tuple[str, psutil.Process]]:
        for name, (pid, created) in self._read().items():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                # The time tells a program from a stranger that was given its number later.
                if process.create_time() == created and not _gone(process):
                    yield name, process

    def _read(self) -> dict[str, tuple[int, float]]:
        if not self._path.exists():
            return {}
        known: dict[str, tuple[int, float]] = json.loads(self._path.read_text())
        return known


def _gone(process: psutil.Process) -> bool:
    """Whether nothing of it runs: while any of its threads ends, what they share is held, such as a port."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def own_memory() -> int:
    """Bytes that this process holds, a shared page in part."""
    return _share(psutil.Process())


def _share(process: psutil.Process) -> int:
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.uss))
