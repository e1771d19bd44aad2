"""How often anybody may ask (PO-02)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from services.gateway.limits import Limits
from services.gateway.problems import TooManyRequests
from tests.gateway.fakes import Fake, Members
from tests.gateway.house import House, open_house
from tests.support.callers import Keys


class Time:
    now = 600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def limits(time: Time) -> Limits:
    return Limits(time)


def refused(limits: Limits, who: str = "a", most: int = 3) -> float:
    """Seconds to wait; 0 when the request was let through."""
    try:
        limits.count(who, most)
    except TooManyRequests as failure:
        return failure.retry_after.total_seconds() if failure.retry_after else -1
    return 0


@pytest.mark.rule("PO-02")
def test_so_many_a_minute_and_no_more(limits: Limits) -> None:
    assert [bool(refused(limits)) for _ in range(5)] == [False, False, False, True, True]


def test_each_is_counted_alone(limits: Limits) -> None:
    for _ in range(4):
        refused(limits, "a")

    assert not refused(limits, "b")


@pytest.mark.parametrize("begun", [0.0, 12.5, 59.0])
@pytest.mark.parametrize("most", [1, 3, 300])
def test_who_waits_as_long_as_told_is_let_through_and_a_second_earlier_not(
    limits: Limits, time: Time, begun: float, most: int
) -> None:
    time.now += begun
    while not (wait := refused(limits, most=most)):
        pass
    asked_at = time.now

    assert 0 < wait <= 120
    time.now = asked_at + wait - min(1, wait / 2)
    assert refused(limits, most=most)
    time.now = asked_at + wait + 0.001
    assert not refused(limits, most=most)


def test_the_turn_of_the_minute_gives_nobody_a_second_helping(limits: Limits, time: Time) -> None:
    time.now += 59.9
    for _ in range(100):
        limits.count("a", 100)

    time.now += 0.2

    let_through = sum(not refused(limits, most=100) for _ in range(100))
    assert let_through <= 1


def test_what_was_two_minutes_ago_is_forgotten(limits: Limits, time: Time) -> None:
    for number in range(1000):
        limits.count(f"client {number}", 3)

    time.now += 120
    limits.count("a", 3)

    assert len(limits._now) + len(limits._before) == 1


@pytest.fixture
async def strict(
    house: House, neighbours: Mapping[str, Fake], keys: Keys, clock_file: Path, stream_url: str
) -> AsyncIterator[House]:
    """A gateway that lets ten requests a minute through from an address, four of a session."""
    addresses = {name: fake.address for name, fake in neighbours.items()}
    limits = {"requests_per_minute": 4, "requests_per_minute_of_address": 10}
    async with open_house(addresses, keys, stream_url, clock_file, **limits) as strict:
        yield strict


@pytest.mark.rule("PO-02")
async def test_a_session_that_asks_too_often_is_told_when_to_go_on(
    strict: House, members: Members, neighbours: Mapping[str, Fake]
) -> None:
    busy, calm = members.sign_in(), members.sign_in()

    answers = [await strict.get("/api/v1/points", busy, headers={"Accept-Language": "en"}) for _ in range(6)]
    other = await strict.get("/api/v1/points", calm)

    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert other.status_code == 200
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 120
    assert answers[-1].json()["code"] == "rate-limited"
    assert len(neighbours["points"].asked) == 5


@pytest.mark.rule("PO-02")
async def test_an_address_that_asks_too_often_is_refused_before_anybody_is_asked(
    strict: House, members: Members, neighbours: Mapping[str, Fake]
) -> None:
    answers = [await strict.get("/api/v1/products") for _ in range(12)]
    alive = [await strict.get(path) for path in ("/healthz", "/readyz")]
    hook = await strict.http.post("/webhooks/card", content=b"{}")

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["x-content-type-options"] == "nosniff"
    assert len([method for method, _, _ in neighbours["store"].asked if method == "ListProducts"]) == 10
    assert [answer.status_code for answer in (*alive, hook)] == [200, 200, 204]
