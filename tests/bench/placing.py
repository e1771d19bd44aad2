"""Placing key orders through the gateway, beside a bare update-with-start in the same run (QA-22, QA-23)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from tests.bench.bare import TASK_QUEUE
from tests.bench.history import report
from tests.bench.measures import beside, processor_seconds, spent, timed
from tests.journeys.town import Household, Town

CALLERS = (1, 8)
Draft = tuple[Household, str, dict[str, str]]

_PREPARED_AT_ONCE = 4
_SENT_AN_HOUR = 40
"""Identity sends no more codes than 50 an hour to one address of the network."""


async def measure(town: Town, orders: int) -> None:
    """Prepares carts, then places them and the bare workflow in turns; the maker waits, as makers do."""
    await town.forward(hours=1)
    drafts = {callers: await prepared(town, orders) for callers in CALLERS}
    for name in ("maker.check", "maker.ready"):
        await town.console.automation(name, on=False)
    async with bare_worker(town):
        await timed([partial(place_bare, town.client)] * 8, 4)
        for callers in CALLERS:
            before = processor_seconds(town.stack)
            theirs = await timed([partial(place_bare, town.client)] * orders, callers)
            between = processor_seconds(town.stack)
            ours = await timed([partial(place, *draft) for draft in drafts[callers]], callers)
            after = processor_seconds(town.stack)
            print(f"{callers} callers, {orders} orders", theirs.row("bare update-with-start"), sep="\n")
            print(spent(before, between, orders), ours.row("orders placed"), spent(between, after, orders), sep="\n")
            print(beside(ours, theirs), flush=True)
    for name in ("maker.check", "maker.ready"):
        await town.console.automation(name, on=True)
    await history(town, drafts[CALLERS[0]][0])


@asynccontextmanager
async def bare_worker(town: Town) -> AsyncIterator[None]:
    """The bare workflow's worker, a process of its own as ours is."""
    told = town.stack.table.temporal.address, town.client.namespace
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.bare", *told)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


async def prepared(town: Town, orders: int) -> Sequence[Draft]:
    """As many residents, each with a key in the cart and the confirmation page before them."""
    drafts: list[Draft] = []
    while len(drafts) < orders:
        if len(drafts) % _SENT_AN_HOUR == 0:
            await town.forward(hours=1)
        more = min(_PREPARED_AT_ONCE, orders - len(drafts))
        drafts += await asyncio.gather(*(one_draft(town) for _ in range(more)))
    return drafts


async def one_draft(town: Town) -> Draft:
    home = await town.household(points=300)
    card = await town.card()
    order_id = await town.drafted(home, card, points_choice="some", points_some=100, coupon_code="SPARE300")
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


async def history(town: Town, draft: Draft) -> None:
    """What the straight order costs in Temporal, from placing to the key in hand (QA-23)."""
    home, order_id, _ = draft
    await home.resident.sees(order_id, "dispatched")
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "handed_over")
    await town.case(order_id).result()
    print(report("straight order", [event async for event in town.case(order_id).fetch_history_events()]))
