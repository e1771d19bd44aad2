"""What a service does again and again beside serving: sweeps of what a crash or a silent neighbour has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.chassis.errors import RuumError

_log = structlog.get_logger()


@dataclass(frozen=True)
class Chore:
    """A periodic task of a service.

    Attributes:
        name: in logs, as `open-calls`.
        every: between the end of one round and the next.
        work: one round.
    """

    name: str
    every: timedelta
    work: Callable[[], Awaitable[object]]

    async def repeat(self) -> None:
        """Does it again and again, as long as the service runs; a neighbour that is away is waited for.

        A mistake of ours is logged, and ends neither the chore nor the service: what one row has wrong must not keep
        everybody else waiting at a service that starts over and over.
        """
        while True:
            try:
                await self.work()
            except RuumError as failure:
                _log.warning("chore waits", chore=self.name, code=failure.code)
            except Exception:  # noqa: BLE001  # as said above
                _log.exception("chore failed", chore=self.name)
            await asyncio.sleep(self.every.total_seconds())
