"""One service down leaves the rest working, says what is missing, and holds nobody up (PO-04)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from services.chassis.clock import MovableClock
from services.chassis.errors import Kind, RemoteError
from services.gateway import clients
from services.gateway.breaker import Breaker
from services.gateway.problems import Missing
from tests.gateway.fakes import CONTRACTS, Fake, Members, never
from tests.gateway.house import House, open_house
from tests.support.callers import Keys
from tests.support.waiting import until

Neighbours = Mapping[str, Fake]


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except Missing:
        return False
    return True


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def broken(seconds: Seconds) -> Breaker:
    """A breaker after five failures in a row."""
    breaker = Breaker("points", 15, seconds)
    for _ in range(5):
        assert admitted(breaker)
        breaker.failed()
    return breaker


@pytest.mark.rule("PO-04")
def test_after_five_failures_in_a_row_a_service_is_left_alone(broken: Breaker) -> None:
    assert not admitted(broken)


def test_an_answer_in_between_starts_the_count_anew(seconds: Seconds) -> None:
    breaker = Breaker("points", 15, seconds)

    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, *[breaker.failed] * 4):
        outcome()

    assert admitted(breaker)


def test_after_a_pause_a_single_call_tries_again(broken: Breaker, seconds: Seconds) -> None:
    seconds.now += 1.99
    assert not admitted(broken)
    seconds.now += 0.01

    assert [admitted(broken) for _ in range(3)] == [True, False, False]


def test_a_try_that_succeeds_lets_all_through_and_one_that_fails_none(broken: Breaker, seconds: Seconds) -> None:
    seconds.now += 2
    assert admitted(broken)
    broken.failed()
    assert not admitted(broken)
    seconds.now += 2
    assert admitted(broken)

    broken.succeeded()

    assert [admitted(broken) for _ in range(3)] == [True] * 3


def test_a_try_that_was_given_up_does_not_close_a_service_for_good(broken: Breaker, seconds: Seconds) -> None:
    seconds.now += 2
    assert admitted(broken)  # its client leaves: nobody learns how it ended

    seconds.now += 15

    assert admitted(broken)


class Away:
    """A gateway with neighbours of its own, some of them away.

    Attributes:
        house: the gateway.
        fakes: its neighbours.
        session: of a member.
    """

    def __init__(self, house: House, fakes: Neighbours, session: str) -> None:
        self.house = house
        self.fakes = fakes
        self.session = session

    async def timed(self, path: str) -> tuple[Any, float]:
        began = time.monotonic()
        answer = await self.house.get(path, self.session, headers={"Accept-Language": "en"})
        return answer, time.monotonic() - began


@pytest.fixture
async def away(
    keys: Keys,
    clock: MovableClock,
    members: Members,
    clock_file: Path,
    stream_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Away]:
    """All services but points, which has not been started; who is asked and hangs is given up after half a second."""
    monkeypatch.setattr(clients, "QUESTION_PATIENCE", 0.5)
    monkeypatch.setattr(clients, "COMMAND_PATIENCE", 0.7)
    fakes = {name: Fake(name, keys, clock) for name in CONTRACTS}
    for name, fake in fakes.items():
        if name != "points":
            await fake.start()
    fakes["identity"].answers["IssueToken"] = members.issue
    addresses = {name: fake.address for name, fake in fakes.items()}
    async with open_house(addresses, keys, stream_url, clock_file) as house:
        yield Away(house, fakes, members.sign_in())
    for fake in fakes.values():
        await fake.stop()


@pytest.mark.rule("PO-04")
async def test_a_service_that_is_down_is_named_and_the_rest_works(away: Away) -> None:
    answer, _ = await away.timed("/api/v1/points")
    others = [await away.timed(path) for path in ("/api/v1/orders", "/api/v1/rooms", "/api/v1/products")]

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["params"]) == (
        *(503, "service-unavailable", {"missing": "points"}),
    )
    assert "points" in problem["detail"]
    assert "Everything else works" in problem["detail"]
    assert problem["retryable"] is True
    assert int(answer.headers["retry-after"]) >= 1
    assert [other.status_code for other, _ in others] == [200, 200, 200]


async def test_a_service_that_stays_down_is_soon_answered_for_at_once(away: Away) -> None:
    first = [await away.timed("/api/v1/points") for _ in range(5)]
    then = [await away.timed("/api/v1/points") for _ in range(20)]

    assert {answer.status_code for answer, _ in first + then} == {503}
    assert max(took for _, took in first) < 3
    assert sorted(took for _, took in then)[10] < 0.1


@pytest.mark.rule("PO-04")
async def test_a_service_that_hangs_holds_nobody_up_for_long(away: Away) -> None:
    away.fakes["store"].answers["ListOrders"] = never

    began = time.monotonic()
    answers = await asyncio.gather(*(away.timed("/api/v1/orders") for _ in range(20)))
    after, took = await away.timed("/api/v1/orders")

    assert {answer.status_code for answer, _ in answers} == {503}
    assert time.monotonic() - began < 4
    assert (after.status_code, after.json()["params"]) == (503, {"missing": "store"})
    assert took < 0.3


async def test_a_command_that_hangs_may_have_been_carried_out(away: Away) -> None:
    away.fakes["rooms"].answers["RegisterRoom"] = never

    answer = await away.house.post("/api/v1/rooms", away.session, json={"preview_id": "p"})

    assert (answer.status_code, answer.json()["code"]) == (504, "deadline-too-short")
    assert answer.json()["retryable"] is True


async def test_what_a_service_says_of_another_does_not_count_against_it(away: Away) -> None:
    away.fakes["store"].answers["ListOrders"] = RemoteError(Kind.UNAVAILABLE, "service-unavailable")

    answers = [await away.timed("/api/v1/orders") for _ in range(8)]
    products, _ = await away.timed("/api/v1/products")

    assert {answer.status_code for answer, _ in answers} == {503}
    assert products.status_code == 200


async def test_a_service_that_comes_back_is_found_by_itself(away: Away) -> None:
    for _ in range(8):
        await away.timed("/api/v1/points")

    await away.fakes["points"].start()

    async def works() -> bool:
        answer, _ = await away.timed("/api/v1/points")
        return bool(answer.status_code == 200)

    await until(works, within=10)
    assert [(await away.timed("/api/v1/points"))[0].status_code for _ in range(5)] == [200] * 5


@pytest.mark.rule("PO-04")
async def test_ready_means_able_to_serve_and_says_what_is_missing(away: Away) -> None:
    async def names(*missing: str) -> bool:
        answer = (await away.house.get("/readyz")).json()
        return bool(answer["missing"] == list(missing))

    await until(lambda: names("points"))
    assert (await away.house.get("/readyz")).status_code == 200
    await away.fakes["identity"].stop()
    await until(lambda: names("identity", "points"))
    assert (await away.house.get("/readyz")).status_code == 200
    await away.fakes["points"].start()
    await until(lambda: names("identity"))


async def test_a_gateway_that_has_reached_nobody_is_not_ready(
    keys: Keys, clock: MovableClock, clock_file: Path, stream_url: str
) -> None:
    fakes = {name: Fake(name, keys, clock) for name in CONTRACTS}

    async with open_house({name: fake.address for name, fake in fakes.items()}, keys, stream_url, clock_file) as house:
        answer = await house.get("/readyz")
        alive = await house.get("/healthz")
        problem = await house.get("/api/v1/points", "some-session-of-somebody")

    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    assert set(answer.json()["missing"]) >= set(CONTRACTS)
    assert alive.status_code == 200
    assert (problem.status_code, problem.json()["params"]) == (503, {"missing": "identity"})
