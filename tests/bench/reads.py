"""Reading through the gateway beside the bare ceiling, in turns of one run (QA-20).

    python -m tests.bench.reads [seconds a turn]

Prints requests a second and their ratio: the ratio counts, on a shared machine.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from deploy.local import ports, stack
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.stack import Stack
from tests.bench.measures import processor_seconds, spent
from tests.journeys.town import Household, Town

CALLERS = 16
ROUNDS = 5
BARE = "bare ceiling"


async def main(seconds: float) -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, {CALLERS} callers, {ROUNDS} turns of {seconds} s")
    with tempfile.TemporaryDirectory(prefix="ruum-bench-") as folder:
        async with stack.running(Path(folder), ports.any_free(), tell=lambda _line: None) as running:
            town = await Town.founded(running)
            try:
                home = await town.household(points=300)
                order_id = await town.ordered(home, await town.card())
                await home.resident.sees(order_id, "dispatched")
                async with bare(town) as front:
                    await measure(running, questions(town, home, order_id, front), seconds)
            finally:
                await town.close()


def questions(town: Town, home: Household, order_id: str, front: int) -> Mapping[str, tuple[int, bytes]]:
    """What is asked where, by its name."""
    gateway = int(town.stack.table.environment.public_url.rpartition(":")[2])
    session = f"Authorization: Bearer {home.resident.session}"
    return {
        BARE: (front, _get(f"/points/{home.resident.member_id}")),
        "points page": (gateway, _get("/api/v1/points", session)),
        "order page": (gateway, _get(f"/api/v1/spare-keys/orders/{order_id}", session)),
    }


@asynccontextmanager
async def bare(town: Town) -> AsyncIterator[int]:
    """The ceiling's two processes; gives the port of the front one."""
    front, service = free_port(), f"{LOOPBACK}:{free_port()}"
    dsn = town.stack.table.postgres.dsn("points")
    told = (("service", service, dsn), ("front", str(front), service))
    command = (sys.executable, "-m", "tests.bench.bare_reading")
    processes = [await asyncio.create_subprocess_exec(*command, *words) for words in told]
    try:
        await _listening(front)
        yield front
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def measure(running: Stack, asked: Mapping[str, tuple[int, bytes]], seconds: float) -> None:
    seen: dict[str, list[float]] = {name: [] for name in asked}
    for question in asked.values():
        await rate(*question, 1)
    for _ in range(ROUNDS):
        for name, question in asked.items():
            seen[name].append(await rate(*question, seconds))
    ceiling = statistics.median(seen[BARE])
    for name, rates in seen.items():
        median = statistics.median(rates)
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        print(f"  {name:<14}{median:>7.0f} a second   ({spread})   {median / ceiling:.2f} of the ceiling", flush=True)
        if name != BARE:
            before = processor_seconds(running)
            answered = await rate(*asked[name], seconds) * seconds
            print(spent(before, processor_seconds(running), int(answered)), flush=True)


async def rate(port: int, request: bytes, seconds: float) -> float:
    """Answers a second to callers that each ask again as soon as they were answered."""
    until = time.perf_counter() + seconds
    answered = await asyncio.gather(*(_ask(port, request, until) for _ in range(CALLERS)))
    return sum(answered) / seconds


async def _ask(port: int, request: bytes, until: float) -> int:
    """By hand: a client library costs as much as what is measured.

    Raises:
        RuntimeError: the answer is no 200.
    """
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    answered = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.partition(b"\r\n")[0].decode())
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        answered += 1
    writer.close()
    await writer.wait_closed()
    return answered


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: bench", *headers, "", ""]).encode()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3))
