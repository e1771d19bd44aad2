"""What has had its time goes: letters nobody may open any more, codes, flows, used-up counts (ID-05)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import RuumError
from services.identity.codes import repository as codes
from services.identity.envelopes import repository as envelopes
from services.identity.throttles import repository as throttles

_log = structlog.get_logger()

_EVERY_SECONDS = 60
_KEPT = timedelta(days=1)


class Sweep:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Sweeps each minute until it is stopped; a database that is away is waited for."""
        while True:
            try:
                await self.once()
            except RuumError as failure:
                _log.warning("sweep waits", code=failure.code)
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> None:
        """Destroys what envelopes hold when their code is too old, and deletes all that ended a day ago."""
        await self._database.transact(self._sweep)

    async def _sweep(self, tx: AsyncSession) -> None:
        now = self._clock.now()
        await envelopes.destroy(tx, now, envelopes.overdue(now))
        await envelopes.forget(tx, now - _KEPT)
        await codes.forget(tx, now - _KEPT)
        await throttles.forget(tx, now)
