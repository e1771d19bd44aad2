"""How long work takes at several callers, and which process's time it costs."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from deploy.local.stack import Stack

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Timing:
    """Seconds that each piece of work took, sorted, and all of them together."""

    took: Sequence[float]
    whole: float

    @property
    def rate(self) -> float:
        """Pieces a second."""
        return len(self.took) / self.whole

    @property
    def median(self) -> float:
        return statistics.median(self.took)

    @property
    def slow(self) -> float:
        """What 99 of 100 stay below."""
        return self.took[int(len(self.took) * 0.99)]

    def row(self, name: str) -> str:
        took = f"p50 {self.median * 1000:>6.0f} ms   p99 {self.slow * 1000:>6.0f} ms"
        return f"  {name:<24}{self.rate:>8.1f} a second   {took}"


async def timed(work: Sequence[Work], callers: int) -> Timing:
    """Does all pieces of work, so many at once."""
    queue, took = list(work), []

    async def call() -> None:
        while queue:
            one = queue.pop()
            began = time.perf_counter()
            await one()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return Timing(sorted(took), time.perf_counter() - began)


def beside(ours: Timing, bare: Timing) -> str:
    """What a caller loses against the bare ceiling of the same run."""
    return (
        f"  {'ratio':<24}{ours.rate / bare.rate:>8.2f} of the rate"
        f"   {ours.median / bare.median:>6.1f} x the median   p99 / p50 {ours.slow / ours.median:.1f}"
    )


def processor_seconds(stack: Stack) -> Mapping[str, float]:
    """What each process of the stack, with its children, has used so far."""
    return {name: _used(psutil.Process(pid)) for name, pid in stack.processes.pids().items()}


def _used(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def spent(before: Mapping[str, float], after: Mapping[str, float], pieces: int) -> str:
    """Milliseconds of processor that one piece of work cost, by process."""
    each = {name: (seconds - before.get(name, 0)) * 1000 / pieces for name, seconds in after.items()}
    parts = [f"{name} {cost:.1f}" for name, cost in sorted(each.items(), key=lambda it: -it[1]) if cost >= 0.1]
    return f"  {'processor, ms each':<24}{sum(each.values()):>8.1f}   {', '.join(parts)}"
