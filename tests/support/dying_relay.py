"""A relay that publishes and then neither settles nor ends, for a test to kill: python -m tests.support.dying_relay"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.chassis import relay, stream
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.foundation import chassis_tables
from services.chassis.relay import Relay


async def main(database_url: str, schema: str, stream_url: str) -> None:
    relay.LEASE_SECONDS = 1
    _, table, _ = chassis_tables(sa.MetaData(schema=schema))
    publish = stream.Publisher(await stream.connect(stream_url, "dying"))

    async def publish_and_hang(rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        arrived = await publish(rows)
        print("published", len(arrived), flush=True)  # noqa: T201  # what the test waits for
        await asyncio.sleep(3600)
        return arrived

    await Relay(Database(database_url), Outbox("points", None, table), "event", publish_and_hang).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
