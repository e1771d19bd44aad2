from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from services.chassis.chores import repeat
from services.chassis.errors import Unavailable

SOON = timedelta(milliseconds=1)


class Chore:
    """Fails as it is told, round by round, then ends the test."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.rounds = 0
        self.over = asyncio.Event()

    async def work(self) -> None:
        self.rounds += 1
        if not self.failures:
            self.over.set()
            return
        failure = self.failures.pop(0)
        if failure:
            raise failure


async def test_a_chore_goes_on_after_a_neighbour_was_away() -> None:
    chore = Chore(None, Unavailable(), Unavailable())

    async with asyncio.timeout(5):
        rounds = asyncio.create_task(repeat("test", SOON, chore.work))
        await chore.over.wait()
    rounds.cancel()
    with suppress(asyncio.CancelledError):
        await rounds

    assert chore.rounds >= 4


async def test_a_defect_in_a_chore_is_not_passed_over() -> None:
    chore = Chore(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        await repeat("test", SOON, chore.work)
