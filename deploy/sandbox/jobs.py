"""Does what partners do by themselves, when it is due."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import traceback

from deploy.sandbox.world import AUTOMATION, World

_PAUSE_S = 0.25
"""How late a move of the clock, or of a switch, may be noticed without any request."""
_AFTER_A_DEFECT_S = 5


class Jobs:
    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        world = self._world
        while True:
            world.new_jobs.clear()
            async with world.store.transaction():
                world.do_moved_jobs()
                job, now = self._next(), time.time()
            if job and job["due"] <= now:
                await self._do(job)
                continue
            try:
                async with asyncio.timeout(min(_PAUSE_S, job["due"] - now) if job else _PAUSE_S):
                    await world.new_jobs.wait()
            except TimeoutError:
                continue

    async def _do(self, job: sqlite3.Row) -> None:
        """One job in one transaction: its effect and its end are seen together or not at all."""
        store = self._world.store
        try:
            async with store.transaction():
                if store.run("DELETE FROM jobs WHERE seq = ?", job["seq"]).rowcount:
                    self._world.jobs[job["name"]](job["subject"])
        except Exception:  # noqa: BLE001 - one partner's defect must not still the others
            traceback.print_exc()
            async with store.transaction():
                due = time.time() + _AFTER_A_DEFECT_S
                store.run("UPDATE jobs SET due = ? WHERE seq = ?", due, job["seq"])

    def _next(self) -> sqlite3.Row | None:
        """The first job in time among those that are not switched off."""
        first = "SELECT * FROM jobs WHERE name = ? AND moved = 0 ORDER BY due LIMIT 1"
        names = [name for name in self._world.jobs if name not in AUTOMATION or self._world.switch(name).on]
        found = [job for name in names if (job := self._world.store.run(first, name).fetchone())]
        return min(found, key=lambda job: float(job["due"]), default=None)
