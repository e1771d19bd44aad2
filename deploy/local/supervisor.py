"""Starts programs in the order of their needs, keeps them running, and stops them in reverse (OP-20)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from deploy.local.child import Child, Program, ProgramError
from deploy.local.processes import Processes

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
_HEALTHY_AGAIN = 10.0
_FIRST_TRIES = 5
_PATIENCE = 60.0
# Three ranks stop one after the other: who serves people, the services, the servers below.
_GRACE = 3.0


@dataclass(frozen=True)
class Unit:
    """A row of the stack's table.

    It starts when all that it comes `after` are ready. `furnish` fits it out after every start and must be
    idempotent. A `job` is ready when it ended well.
    """

    program: Program
    after: Collection[str] = ()
    furnish: Callable[[], Awaitable[None]] | None = None
    job: bool = False

    @property
    def name(self) -> str:
        return self.program.name


class Backoff:
    """The pause before the next try: 0.1 s, then each time twice as long, up to 5 s."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY

    def next(self) -> float:
        """Seconds to wait now."""
        delay = self._delay
        self._delay = min(2 * delay, _LONGEST_DELAY)
        return delay

    def reset(self) -> None:
        self._delay = _FIRST_DELAY


class Supervisor:
    """Owns the processes of a table. What a unit comes `after` and is not in the table counts as ready."""

    def __init__(self, units: Sequence[Unit], processes: Processes, tell: Callable[[str], None]) -> None:
        self._units = units
        self._processes = processes
        self._tell = tell
        self._ready = {unit.name: asyncio.Event() for unit in units}
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring all up, side by side where needs allow; raises `ProgramError` for the first that cannot."""
        try:
            async with asyncio.TaskGroup() as starting:
                for unit in self._units:
                    starting.create_task(self._bring_up(unit))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stop(self) -> None:
        """Stop each program when all that came after it have ended."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        ended = {unit.name: asyncio.Event() for unit in self._units}

        async def stop(unit: Unit) -> None:
            for other in self._units:
                if unit.name in other.after:
                    await ended[other.name].wait()
            if unit.name in self._children:
                await self._children[unit.name].stop(_GRACE)
            ended[unit.name].set()

        await asyncio.gather(*(stop(unit) for unit in self._units))

    async def _bring_up(self, unit: Unit) -> None:
        for name in unit.after:
            if name in self._ready:
                await self._ready[name].wait()
        began = time.monotonic()
        if unit.job:
            await self._finish(unit)
        else:
            await self._begin(unit)
        self._tell(f"{unit.name} {'is done' if unit.job else 'is ready'} after {_since(began)}")
        self._ready[unit.name].set()

    async def _finish(self, job: Unit) -> None:
        child = await self._launch(job)
        try:
            code = await asyncio.wait_for(child.wait(), _PATIENCE)
        except TimeoutError:
            raise ProgramError(child.explain(f"was not done after {_PATIENCE:g} s")) from None
        if code != 0:
            raise ProgramError(child.explain(f"ended with code {code}"))

    async def _begin(self, unit: Unit) -> None:
        backoff = Backoff()
        for tries_left in reversed(range(_FIRST_TRIES)):
            try:
                await self._serve(unit)
            except ProgramError:
                # A server that was killed may have left behind what its successor must wait for.
                child = self._children.get(unit.name)
                if child is None or not child.exited or not tries_left:
                    raise
                await asyncio.sleep(backoff.next())
            else:
                break
        keeper = asyncio.create_task(self._keep(unit), name=unit.name)
        keeper.add_done_callback(self._report)
        self._keepers.append(keeper)

    async def _keep(self, unit: Unit) -> None:
        backoff = Backoff()
        since = time.monotonic()
        while True:
            code = await self._children[unit.name].wait()
            died = time.monotonic()
            if died - since >= _HEALTHY_AGAIN:
                backoff.reset()
            delay = backoff.next()
            self._tell(f"{unit.name} ended with code {code}; starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            try:
                await self._serve(unit)
            except ProgramError as error:
                self._tell(str(error).partition("\n")[0])
            else:
                self._tell(f"{unit.name} is back after {_since(died)}")
            since = time.monotonic()

    async def _serve(self, unit: Unit) -> None:
        child = await self._launch(unit)
        await child.until_ready(_PATIENCE)
        if unit.furnish is not None:
            try:
                await asyncio.wait_for(unit.furnish(), _PATIENCE)
            except Exception as error:
                await child.stop(_GRACE)
                raise ProgramError(child.explain(f"could not be fitted out: {error!r}")) from error

    def _report(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled():
            self._tell(f"{keeper.get_name()} is no longer watched: {keeper.exception()!r}")

    async def _launch(self, unit: Unit) -> Child:
        child = Child(unit.program)
        await child.start()
        self._children[unit.name] = child
        self._processes.record(unit.name, child.pid)
        return child


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
