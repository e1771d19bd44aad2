"""Does what partners do by themselves, when it is due."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import traceback

from deploy.sandbox.world import AUTOMATION, World

_PAUSE_S = 0.25
"""How late a move of the clock may be noticed without any request."""
_AFTER_A_DEFECT_S = 5


class Jobs:
    def __init__(self, world: World) -> None:
        self._world = world
        self._stirred = asyncio.Event()
        world.store.listeners.append(self._stirred.set)

    async def run(self) -> None:
        while True:
            async with self._world.store.transaction():
                self._world.do_moved_jobs()
            while await self._do_one():
                pass
            self._stirred.clear()
            await _either(self._stirred, self._pause())

    async def _do_one(self) -> bool:
        """One job in one transaction: its effect and its end are seen together or not at all."""
        world, job = self._world, self._next()
        if job is None or job["due"] > time.time():
            return False
        try:
            async with world.store.transaction():
                if world.store.run("DELETE FROM jobs WHERE seq = ?", job["seq"]).rowcount:
                    world.jobs[job["name"]](job["subject"])
        except Exception:  # noqa: BLE001 - one partner's defect must not still the others
            traceback.print_exc()
            async with world.store.transaction():
                due = time.time() + _AFTER_A_DEFECT_S
                world.store.run("UPDATE jobs SET due = ? WHERE seq = ?", due, job["seq"])
        return True

    def _next(self) -> sqlite3.Row | None:
        """The first job in time among those that are not switched off."""
        first = "SELECT * FROM jobs WHERE name = ? AND moved = 0 ORDER BY due LIMIT 1"
        names = [name for name in self._world.jobs if name not in AUTOMATION or self._world.switch(name).on]
        found = [job for name in names if (job := self._world.store.run(first, name).fetchone())]
        return min(found, key=lambda job: float(job["due"]), default=None)

    def _pause(self) -> float:
        job = self._next()
        return min(_PAUSE_S, max(0, job["due"] - time.time())) if job else _PAUSE_S


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
