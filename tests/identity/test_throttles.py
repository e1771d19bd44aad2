from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import Database
from services.chassis.errors import Kind
from services.identity.settings import Cap
from services.identity.throttles import domain as throttles
from services.identity.throttles.domain import Caps, TooManyTries
from tests.support.insisting import insisting

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FIVE_IN_AN_HOUR = {"try/a": Cap(times=5, seconds=3600)}


async def count(database: Database, caps: Caps, at: datetime = NOW) -> int:
    return await database.transact(lambda tx: throttles.count(tx, caps, at, TooManyTries))


async def test_a_cap_admits_its_number_at_once_and_counts_down(database: Database) -> None:
    left = [await count(database, FIVE_IN_AN_HOUR) for _ in range(5)]

    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(TooManyTries) as refused:
        await count(database, FIVE_IN_AN_HOUR)
    assert refused.value.kind is Kind.TOO_MANY
    assert refused.value.retry_after == timedelta(minutes=12)
    assert refused.value.params == {"wait": 720}


@pytest.mark.rule("ID-13")
async def test_whoever_waits_as_long_as_told_gets_one_more_try(database: Database) -> None:
    for _ in range(5):
        await count(database, FIVE_IN_AN_HOUR)
    with pytest.raises(TooManyTries) as refused:
        await count(database, FIVE_IN_AN_HOUR)
    wait = refused.value.retry_after or timedelta()

    with pytest.raises(TooManyTries):
        await count(database, FIVE_IN_AN_HOUR, NOW + wait - SECOND)
    assert await count(database, FIVE_IN_AN_HOUR, NOW + wait) == 0
    with pytest.raises(TooManyTries):
        await count(database, FIVE_IN_AN_HOUR, NOW + wait + SECOND)


async def test_after_its_window_a_cap_is_whole_again(database: Database) -> None:
    for _ in range(5):
        await count(database, FIVE_IN_AN_HOUR)

    assert await count(database, FIVE_IN_AN_HOUR, NOW + timedelta(hours=1)) == 4


async def test_the_tightest_of_several_caps_decides_and_none_is_counted(database: Database) -> None:
    both = FIVE_IN_AN_HOUR | {"try/b": Cap(times=1, seconds=60)}
    assert await count(database, both) == 0

    with pytest.raises(TooManyTries) as refused:
        await count(database, both)

    assert refused.value.retry_after == timedelta(minutes=1)
    assert await count(database, FIVE_IN_AN_HOUR) == 3


async def test_what_was_no_guess_is_given_back(database: Database) -> None:
    async def right(tx: AsyncSession) -> None:
        await throttles.count(tx, FIVE_IN_AN_HOUR, NOW, TooManyTries)
        await throttles.give_back(tx, FIVE_IN_AN_HOUR, NOW)

    for _ in range(20):
        await database.transact(right)

    assert await count(database, FIVE_IN_AN_HOUR) == 4


async def test_a_look_says_how_long_to_wait_and_counts_nothing(database: Database) -> None:
    async def look() -> timedelta:
        async with database.reading() as session:
            return await throttles.full(session, FIVE_IN_AN_HOUR, NOW)

    assert await look() == timedelta()
    for _ in range(5):
        await count(database, FIVE_IN_AN_HOUR)

    assert [await look(), await look()] == [timedelta(minutes=12)] * 2


@pytest.mark.parametrize("seconds", [7, 3600, 86_399])
async def test_steps_that_do_not_divide_the_window_never_lose_a_try(database: Database, seconds: int) -> None:
    odd = {"try/odd": Cap(times=7, seconds=seconds)}

    for _ in range(7):
        await count(database, odd)

    with pytest.raises(TooManyTries):
        await count(database, odd)


async def test_two_hundred_at_once_get_what_the_caps_admit(database: Database) -> None:
    barrier = asyncio.Barrier(200)
    caps = [
        {"try/a": Cap(times=5, seconds=3600), "try/b": Cap(times=100, seconds=3600)},
        {"try/b": Cap(times=100, seconds=3600), "try/a": Cap(times=5, seconds=3600)},
    ]

    async def one(turn: int) -> bool:
        await barrier.wait()
        try:
            await insisting(lambda: count(database, caps[turn % 2]))
        except TooManyTries:
            return False
        return True

    admitted = await asyncio.gather(*(one(turn) for turn in range(200)))

    assert sum(admitted) == 5
