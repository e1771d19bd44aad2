from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from services.chassis.chores import Chore
from services.chassis.errors import Unavailable

SOON = timedelta(milliseconds=1)


class Failing:
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


async def lived(chore: Failing) -> None:
    """Repeats the chore until its last failure is over."""
    async with asyncio.timeout(5):
        rounds = asyncio.create_task(Chore("test", SOON, chore.work).repeat())
        over = asyncio.create_task(chore.over.wait())
        await asyncio.wait({rounds, over}, return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    if not rounds.done():
        rounds.cancel()
    with suppress(asyncio.CancelledError):
        await rounds


async def test_a_chore_goes_on_after_a_neighbour_was_away() -> None:
    chore = Failing(None, Unavailable(), Unavailable())

    await lived(chore)

    assert chore.rounds >= 4


async def test_a_defect_in_a_chore_is_logged_and_takes_the_service_not_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chore = Failing(ZeroDivisionError())

    await lived(chore)

    assert chore.rounds >= 2
    assert "chore failed" in capsys.readouterr().out
