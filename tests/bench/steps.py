"""What the store's steps of placing cost without the wire: statements and processor time, in one process.

python -m tests.bench.steps [orders]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services.chassis.db import Database
from tests.store.world import World, new_member
from tests.support.contexts import migrated
from tests.support.statements import statements

_WARMING = 10
"""Orders before the count: until then statements are compiled and prepared."""


async def main(orders: int) -> None:
    async with _database() as database:
        world = World(database)
        world.neighbours.points = 1000
        spent: dict[str, float] = defaultdict(float)
        asked = Counter[str]()
        for turn in range(-_WARMING, orders):
            for name, step in (await _steps(world)).items():
                with statements(database) as run:
                    began = time.process_time()
                    await step
                    took = time.process_time() - began
                if turn >= 0:
                    spent[name] += took
                    asked[name] += len(run)
    for name, seconds in spent.items():
        print(f"  {name:<12}{asked[name] / orders:>6.1f} statements{seconds * 1000 / orders:>8.1f} ms of processor")
    print(f"  {'together':<12}{asked.total() / orders:>6.1f} statements{sum(spent.values()) * 1000 / orders:>8.1f} ms")


async def _steps(world: World) -> dict[str, Awaitable[object]]:
    """An order with points, a coupon and a card, and what the store is asked until it is placed."""
    code = await world.coupon()
    view = await world.ready(new_member(), coupon_code=code, points_choice="some", points_some=100)
    confirmed = (await world.snapshot(view)).snapshot_hash
    return {
        "begin": world.begun(view, snapshot_hash=confirmed),
        "authorise": world.authorised(view.order_id),
        "webhook": world.card_webhook(view.order_id),
        "confirm": world.confirmed(view.order_id),
        "read": world.order(view.order_id),
    }


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory(prefix="ruum-bench-") as folder:
        passwords = {name: f"{name}-bench" for name in (ADMIN, *ROLES)}
        log = Path(folder) / "postgres.log"
        server = Postgres(Path(folder) / "pg", free_port(), passwords, log=log, durable=False)
        async with running(server.program()):
            await create_contexts(server.admin_url, passwords)
            async with migrated(server, "store") as database:
                yield database


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
