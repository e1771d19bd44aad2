"""What the service has written to its schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ruum.sparekey.v1 import events_pb2
from services.chassis.db import Database


class Written:
    """Reads the rows of a test's database."""

    database: Database

    async def change(self, statement: str, **values: Any) -> None:
        """Spoils what is kept, as no part of the service would."""
        await self.database.transact(lambda tx: tx.execute(sa.text(statement), values))

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.database.reading() as session:
            return list((await session.execute(sa.text(statement), values)).all())

    async def events(self, order_id: str) -> list[str]:
        found = await self.rows(
            "select subject from sparekey.outbox where aggregate_id = :id and kind = 'event' order by position",
            id=order_id,
        )
        return [row.subject.split(".")[2] for row in found]

    async def event(self, order_id: str, name: str) -> Any:
        """The last fact of this name, as it goes to the stream."""
        found = await self.rows(
            "select payload from sparekey.outbox where aggregate_id = :id and subject = :subject order by position",
            id=order_id,
            subject=f"ruum.sparekey.{name}.v1",
        )
        kind = getattr(events_pb2, "".join(part.title() for part in name.split("_")))
        return kind.FromString(found[-1].payload)

    async def pokes(self, order_id: str) -> int:
        found = await self.rows(
            "select count(*) as n from sparekey.outbox where aggregate_id = :id and subject = 'case_changed'",
            id=f"sparekey-order/{order_id}",
        )
        return int(found[0].n)
