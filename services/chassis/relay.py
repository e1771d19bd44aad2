"""What an outbox holds is handed on (OP-10): events to JetStream in each aggregate's order, lines to Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.chassis.events import Outbox

_log = structlog.get_logger()

BATCH = 200
# How long a relay may take for a batch before another takes the rows over.
LEASE_SECONDS = 15
_REST_SECONDS = 1
_IDLE_SECONDS = 1.0
_AFTER_A_MISTAKE_SECONDS = 10.0

HandOn = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[int]]]
"""Takes claimed rows in their order and gives the positions of those that arrived: of an aggregate none before another.
Raises Unavailable when nothing can arrive now, whatever the rows are."""

# A row waits for those before it of its aggregate that somebody has claimed: order holds with any number of relays.
_CLAIM = """
with free as (
  select position from {outbox} waiting
  where kind = :kind and handed_on_at is null and (claimed_until is null or claimed_until < statement_timestamp())
    and not exists (
      select from {outbox} earlier
      where earlier.kind = waiting.kind and earlier.aggregate_id = waiting.aggregate_id
        and earlier.position < waiting.position and earlier.handed_on_at is null
        and earlier.claimed_until >= statement_timestamp())
  order by position limit :most
)
update {outbox} claimed set claimed_until = statement_timestamp() + :lease * interval '1 second'
from free where claimed.position = free.position
returning claimed.position, message_id, aggregate_id, aggregate_version, subject, payload, line, claimed_until
"""
_ANY = """
select exists (
  select from {outbox} waiting
  where kind = :kind and handed_on_at is null and (claimed_until is null or claimed_until < statement_timestamp()))
"""
_SETTLE = """
update {outbox} set
  handed_on_at = case when position = any(:arrived) then statement_timestamp() end,
  claimed_until = case when not position = any(:arrived) then statement_timestamp() + :rest * interval '1 second' end
where position = any(:claimed) and claimed_until = :lease and handed_on_at is null
"""


class Relay:
    """Empties one kind of outbox rows until it is stopped; several may run, each row goes to one of them at a time."""

    def __init__(self, database: Database, outbox: Outbox, kind: str, hand_on: HandOn) -> None:
        self._database = database
        self._outbox = outbox
        self._kind = kind
        self._hand_on = hand_on
        name = str(outbox.table)
        forms = (_ANY, _CLAIM, _SETTLE)
        self._any_sql, self._claim_sql, self._settle_sql = (sa.text(form.format(outbox=name)) for form in forms)
        self._turn = sa.text("select pg_advisory_xact_lock(hashtextextended(:place, 0))").bindparams(
            place=f"{name} {kind}"
        )

    async def run(self) -> None:
        """Hands rows on as they come: at once after a transaction here, within a second after a crash elsewhere."""
        woken = self._outbox.woken(self._kind)
        pause, written = 0.0, False
        while True:
            try:
                claimed, _ = await self._batch(written=written)
                pause = 0.0 if claimed == BATCH else _IDLE_SECONDS
            except RuumError as failure:
                _log.warning("relay waits", kind=self._kind, code=failure.code)
                pause = min(max(pause * 2, 0.5), 10.0)
            except Exception:  # noqa: BLE001  # what cannot be handed on must not take the service with it
                _log.exception("relay failed", kind=self._kind)
                pause = _AFTER_A_MISTAKE_SECONDS
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), pause)
            written = woken.is_set()
            woken.clear()

    async def drain(self) -> int:
        """Hands on one batch. Returns how many rows arrived.

        Raises:
            Unavailable: the other side cannot be reached; the rows stay.
        """
        _, arrived = await self._batch()
        return arrived

    async def _batch(self, *, written: bool = False) -> tuple[int, int]:
        """How many rows were claimed, and how many of them arrived; a look first, unless some were just `written`."""
        rows = await self._database.transact(self._claim) if written or await self._any() else ()
        if not rows:
            return 0, 0
        arrived: Sequence[int] = ()
        rest = 0
        try:
            arrived = await self._hand_on(rows)
            rest = _REST_SECONDS  # what did not arrive lets others go first
        finally:
            await self._database.transact(lambda tx: self._settle(tx, rows, arrived, rest))
        return len(rows), len(arrived)

    async def _any(self) -> bool:
        async with self._database.reading() as session:
            return bool(await session.scalar(self._any_sql, {"kind": self._kind}))

    async def _claim(self, tx: AsyncSession) -> Sequence[Mapping[str, Any]]:
        # Of two relays the second must see what the first has claimed, so they claim one after the other.
        await tx.execute(self._turn)
        claim = {"kind": self._kind, "most": BATCH, "lease": LEASE_SECONDS}
        found: Sequence[Mapping[str, Any]] = (await tx.execute(self._claim_sql, claim)).mappings().all()  # type: ignore[assignment]
        return sorted(found, key=lambda row: row["position"])

    async def _settle(
        self, tx: AsyncSession, rows: Sequence[Mapping[str, Any]], arrived: Sequence[int], rest: int
    ) -> None:
        claimed = [row["position"] for row in rows]
        lease = rows[0]["claimed_until"]
        settled = {"claimed": claimed, "arrived": list(arrived), "lease": lease, "rest": rest}
        await tx.execute(self._settle_sql, settled)
