"""Removes what is over: letters that nobody may open any longer, codes, flows, old counts (ID-05)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.clock import Clock
from services.chassis.db import Database
from services.identity.codes import repository as codes
from services.identity.envelopes import repository as envelopes
from services.identity.throttles import repository as throttles

EVERY = timedelta(minutes=1)
_KEPT = timedelta(days=1)


class Sweep:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def once(self) -> None:
        """Destroys what envelopes hold when their code is too old, and deletes all that ended a day ago."""
        await self._database.transact(self._sweep)

    async def _sweep(self, tx: AsyncSession) -> None:
        now = self._clock.now()
        await envelopes.destroy(tx, now, envelopes.overdue(now))
        await envelopes.forget(tx, now - _KEPT)
        await codes.forget(tx, now - _KEPT)
        await throttles.forget(tx, now)
