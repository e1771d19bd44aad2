"""QA-03 and QA-13: 200 callers behind one barrier on a real database."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.clock import FixedClock
from services.chassis.errors import RuumError
from services.identity.codes.domain import CodeSent
from services.identity.codes.models import Code
from services.identity.members.models import Member
from services.identity.sessions.models import Device, Session
from services.identity.settings import Cap
from tests.identity.world import Founded, World, other_than
from tests.support.insisting import insisting

HANA = "hana@example.jp"
CALLERS = 200


async def at_once(call: Callable[[int], Awaitable[object]]) -> Counter[str]:
    """How 200 calls that begin together end, by name."""
    barrier = asyncio.Barrier(CALLERS)

    async def one(turn: int) -> str:
        await barrier.wait()
        try:
            await insisting(lambda: call(turn))
        except RuumError as refused:
            return refused.code
        return "won"

    return Counter(await asyncio.gather(*(one(turn) for turn in range(CALLERS))))


@pytest.mark.rule("QA-03")
async def test_one_code_makes_one_account(world: World) -> None:
    sent = await world.ask_for_code(HANA)
    code = (await world.letter()).code

    outcomes = await at_once(lambda _: world.sign_up(sent, code))

    assert outcomes["won"] == 1
    assert set(outcomes) <= {"won", "code-void", "flow-over"}
    assert [len(await world.rows(table)) for table in (Member, Session, Device)] == [1, 1, 1]


@pytest.mark.rule("ID-05")
async def test_one_code_signs_in_once(world: World, clock: FixedClock) -> None:
    await world.member(HANA)
    clock.advance(timedelta(minutes=1))
    sent = await world.sign_in(HANA)
    assert isinstance(sent, CodeSent)
    code = (await world.letter()).code

    outcomes = await at_once(lambda _: world.confirm(sent, code))

    assert outcomes["won"] == 1
    assert len(await world.rows(Session)) == 2
    assert len(await world.told("signed_in_on_new_device")) == 1


@pytest.mark.rule("QA-13")
async def test_at_most_five_guesses_at_once_whatever_the_processes_and_clients(founded: Founded) -> None:
    worlds = [founded() for _ in range(4)]
    sent = await worlds[0].ask_for_code(HANA)
    code = (await worlds[0].letter()).code

    outcomes = await at_once(lambda turn: worlds[turn % 4].sign_up(sent, other_than(code), client=f"client {turn}"))

    assert outcomes["code-wrong"] + outcomes["code-void"] == 5
    assert outcomes["too-many-tries"] == CALLERS - 5
    (row,) = await worlds[0].rows(Code)
    assert row["tries"] == 5


async def test_a_code_is_sent_once_a_minute_however_often_it_is_asked_for_at_once(world: World) -> None:
    outcomes = await at_once(lambda turn: world.ask_for_code(HANA, client=f"client {turn}"))

    assert outcomes == {"won": 1, "too-many-codes": CALLERS - 1}
    assert len(await world.envelopes()) == 1


async def test_the_next_code_and_the_use_of_the_last_one_never_wait_for_each_other(
    founded: Founded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda _: 123456)  # every code is the right one
    caps = ("code_gap", "sends_per_address", "sends_per_prefix", "sends_per_client")
    world = founded(**dict.fromkeys(caps, Cap(times=CALLERS, seconds=1)))
    sent = await world.ask_for_code(HANA)
    deadlocks = await deadlocks_so_far(world)

    outcomes = await at_once(lambda turn: world.sign_up(sent, "123456") if turn % 2 else world.ask_again(sent))

    assert set(outcomes) <= {"won", "code-void", "flow-over"}
    assert len(await world.rows(Member)) == 1
    assert await deadlocks_so_far(world) == deadlocks


async def deadlocks_so_far(world: World) -> int:
    async with world.database.reading() as session:
        await session.execute(sa.text("select pg_stat_force_next_flush()"))
        found = sa.text("select deadlocks from pg_stat_database where datname = current_database()")
        return int((await session.execute(found)).scalar_one())
