"""`ruum up`: the whole of ruum on one machine, until Ctrl-C (OP-20)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local import ports
from deploy.local.child import ProgramError
from deploy.local.home import AlreadyRunsError, Home
from deploy.local.ports import PortError
from deploy.local.processes import Processes, own_memory
from deploy.local.supervisor import Supervisor, Unit
from deploy.local.table import Table, ports_of
from services.chassis.clock import MovableClock
from workflows.views import views

_MEBIBYTE = 1024**2


class UnknownNameError(Exception):
    """Nothing in the table is called so."""


@dataclass(frozen=True)
class Stack:
    """A stack that runs: where all is, and under which process ids."""

    table: Table
    processes: Processes


Welcome = Callable[[Stack], Awaitable[Iterable[str]]]


@asynccontextmanager
async def running(
    folder: Path,
    chosen: Mapping[str, int],
    *,
    only: Collection[str] | None = None,
    tell: Callable[[str], None] = print,
) -> AsyncIterator[Stack]:
    """All of the table, or `only` the named units (whoever leaves one out runs it otherwise), kept running.

    Raises:
        AlreadyRunsError: another stack has the folder.
        PortError: a port is taken.
        ProgramError: a program cannot be started.
        UnknownNameError: a name in `only` is not in the table.
    """
    home = Home(folder)
    with home.held(chosen):
        processes = Processes(home.processes)
        processes.end_leftovers()
        table = Table(home, chosen)
        units = _named(table.units(), only)
        ports.require_free(chosen, [port for unit in units for port in ports_of(unit)])
        supervisor = Supervisor(units, processes, tell)
        try:
            await supervisor.start()
            yield Stack(table, processes)
        finally:
            await supervisor.stop()
            processes.forget()


def found(folder: Path) -> Stack:
    """The stack that runs, or last ran, in this folder, for a command that works on it from outside."""
    home = Home(folder)
    return Stack(Table(home, home.ports()), Processes(home.processes))


def up(
    folder: Path,
    *,
    changed_ports: Iterable[str] = (),
    free_ports: bool = False,
    only: Collection[str] = (),
    welcome: Welcome | None = None,
) -> None:
    """Run the stack until Ctrl-C or SIGTERM.

    Args:
        folder: where all data stays.
        changed_ports: such as `gateway=9000`.
        free_ports: take any free port for each, so that stacks run beside each other.
        only: names of the table; all when there are none.
        welcome: gives more lines for the person when all is ready.

    Raises:
        SystemExit: it could not start; says why.
    """
    try:
        chosen = ports.any_free() if free_ports else ports.chosen(changed_ports)
        asyncio.run(_until_stopped(_serve(folder, chosen, only or None, welcome)))
    except (AlreadyRunsError, PortError, ProgramError, UnknownNameError) as error:
        raise SystemExit(f"ruum up: {error}") from None


async def _until_stopped(serving: Awaitable[None]) -> None:
    task = asyncio.ensure_future(serving)
    asked = False

    def stop() -> None:
        nonlocal asked
        # A second Ctrl-C must not cut the stopping short: that would leave programs behind.
        if not asked:
            asked = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await task


async def _serve(
    folder: Path, chosen: Mapping[str, int], only: Collection[str] | None, welcome: Welcome | None
) -> None:
    began = time.monotonic()
    async with running(folder, chosen, only=only) as stack:
        print(f"\nall ready in {time.monotonic() - began:.1f} s", flush=True)
        lines = [*_addresses(stack), *(await welcome(stack) if welcome is not None else ())]
        memory = stack.processes.memory() + own_memory()
        print(*lines, f"  memory            {memory / _MEBIBYTE:.0f} MiB", "Ctrl-C stops all", sep="\n", flush=True)
        await asyncio.get_running_loop().create_future()


def _addresses(stack: Stack) -> list[str]:
    table, runs = stack.table, stack.processes.pids()
    cases = f"{table.temporal.ui_url}/namespaces/{table.temporal.namespace}/workflows"
    pages = {
        "gateway": f"  ruum              {table.environment.public_url}",
        "sandbox": f"  partners' console {table.environment.console_url}",
        "temporal": f"  Temporal          {cases}",
    }
    lines = [*(line for name, line in pages.items() if name in runs), f"  data and logs     {table.home.folder}"]
    return [*lines, *_views(stack)] if "temporal" in runs else lines


def _views(stack: Stack) -> Iterator[str]:
    yield "  views to save in Temporal (those about time afresh: ruum desk views)"
    for name, query in views(MovableClock(stack.table.home.clock).now()).items():
        yield f"    {name:<12} {query}"


def _named(units: list[Unit], only: Collection[str] | None) -> list[Unit]:
    if only is None:
        return units
    unknown = sorted(set(only) - {unit.name for unit in units})
    if unknown:
        known = ", ".join(unit.name for unit in units)
        raise UnknownNameError(f"nothing is called {', '.join(unknown)}; there are {known}")
    return [unit for unit in units if unit.name in only]
