"""`make bench`: placing key orders through the gateway, beside its bare ceiling in the same run (QA-22, QA-23).

    python -m tests.bench [orders]

Prints ratios and counts; a time alone proves nothing on a shared machine.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from deploy.local import ports, stack
from tests.bench.bare import TASK_QUEUE
from tests.journeys.town import Household, Town

CALLERS = (1, 8)


async def main(orders: int) -> None:
    """Prepares the carts, then places them beside the bare workflow, in turns."""
    print(f"{platform.machine()}, Python {platform.python_version()}, {orders} orders at each number of callers")
    with tempfile.TemporaryDirectory(prefix="ruum-bench-") as folder:
        async with stack.running(Path(folder), ports.any_free(), tell=lambda _line: None) as running:
            town = await Town.founded(running)
            try:
                await measure(town, orders)
            finally:
                await town.close()


async def measure(town: Town, orders: int) -> None:
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare", town.stack.table.temporal.address, town.client.namespace
    )
    try:
        await timed([lambda: place_bare(town.client)] * 8, 4)
        for callers in CALLERS:
            drafts = await prepared(town, orders)
            theirs = await timed([lambda: place_bare(town.client)] * orders, callers)
            ours = await timed([lambda d=draft: place(*d) for draft in drafts], callers)  # type: ignore[misc]
            report(callers, ours, theirs)
        await history(town, drafts[0][1])
    finally:
        with suppress(ProcessLookupError):
            bare.kill()
        await bare.wait()


async def prepared(town: Town, orders: int) -> list[tuple[Household, str, dict[str, str]]]:
    """As many residents, each with a key in the cart and the confirmation page before them."""
    drafts = []
    for start in range(0, orders, 4):
        drafts += await asyncio.gather(*(one_draft(town) for _ in range(start, min(start + 4, orders))))
    return drafts


async def one_draft(town: Town) -> tuple[Household, str, dict[str, str]]:
    home = await town.household(points=300)
    order_id = await town.drafted(
        home, await town.card(), points_choice="some", points_some=100, coupon_code="SPARE300"
    )
    review = await home.resident.post(f"spare-keys/drafts/{order_id}/review", language="ja")
    shown = {name: review[name] for name in ("snapshot_hash", "terms_version", "cancellation_version")}
    return home, order_id, shown


async def place(home: Household, order_id: str, shown: dict[str, str]) -> None:
    placed = await home.resident.post(f"spare-keys/drafts/{order_id}/place", agreed=True, **shown)
    if placed["outcome"] != "placed":
        raise RuntimeError(f"not placed: {placed}")


async def place_bare(client: Client) -> None:
    start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
        "bare-order", id=f"bare/{uuid4()}", task_queue=TASK_QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.FAIL
    )
    await client.execute_update_with_start_workflow("place", start_workflow_operation=start)


async def timed(work: Sequence[Callable[[], Awaitable[None]]], callers: int) -> tuple[float, list[float]]:
    """Orders a second, and how long each took in seconds."""
    queue, took = list(work), []

    async def call() -> None:
        while queue:
            one = queue.pop()
            began = time.perf_counter()
            await one()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return len(took) / (time.perf_counter() - began), sorted(took)


def report(callers: int, ours: tuple[float, list[float]], bare: tuple[float, list[float]]) -> None:
    def row(name: str, seen: tuple[float, list[float]]) -> str:
        median, slow = statistics.median(seen[1]), seen[1][int(len(seen[1]) * 0.99)]
        return f"  {name:<22}{seen[0]:>8.1f} a second   p50 {median * 1000:>6.0f} ms   p99 {slow * 1000:>6.0f} ms"

    print(f"{callers} callers", row("bare update-with-start", bare), row("orders placed", ours), sep="\n")
    print(
        f"  ratio                 {ours[0] / bare[0]:>8.2f} of the rate"
        f"   {statistics.median(ours[1]) / statistics.median(bare[1]):.1f} x the latency",
        flush=True,
    )


async def history(town: Town, order_id: str) -> None:
    """What the straight order costs in Temporal, from placing to the key in hand (QA-23)."""
    parcel = await town.console.tracking_number(order_id, 1)
    await town.console.parcel(parcel, "handed_over")
    await town.case(order_id).result()
    events = [EventType.Name(event.event_type) async for event in town.case(order_id).fetch_history_events()]
    print(f"straight order: {len(events)} history events")
    for kind, number in Counter(name.removeprefix("EVENT_TYPE_").lower() for name in events).most_common():
        print(f"  {number:>3}  {kind}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
