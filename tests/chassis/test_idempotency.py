from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.local.postgres import Postgres
from services.chassis.caller import Caller
from services.chassis.errors import AsOfNotAllowed, Kind, NotAllowed, RequestReused, StillRunning, Unavailable
from tests.support.callers import member, operator, service
from tests.support.insisting import insisting
from tests.support.jars import NOW, Jars, JarShort, JarView, PutCoins, TakeCoins, jars_in, new_jar
from tests.support.wire import wire_to

ANNA, BOB, WORKER = member("mem_anna"), member("mem_bob"), service("worker")


@pytest.fixture(scope="module")
async def module_jars(postgres: Postgres) -> AsyncIterator[Jars]:
    async with jars_in(postgres) as jars:
        yield jars


@pytest.fixture
def jars(module_jars: Jars) -> Jars:
    """The jars of this file, as another process with their database has them."""
    return module_jars.elsewhere()


@pytest.fixture
def jar() -> str:
    return new_jar()


def put(jar: str, coins: int = 5, request_id: str = "") -> PutCoins:
    return PutCoins(request_id=request_id or f"put-{jar}", jar=jar, coins=coins)


@pytest.mark.rule("PR-10")
async def test_the_same_request_is_answered_alike_and_acts_once(jars: Jars, jar: str) -> None:
    first = await jars.put(ANNA, put(jar))

    again = await jars.put(ANNA, put(jar))

    assert again == first
    assert await jars.coins(jar) == 5
    assert await jars.told(jar) == [(1, 5)]


@pytest.mark.rule("PR-10")
async def test_a_day_later_the_answer_is_still_the_same(jars: Jars, jar: str) -> None:
    first = await jars.put(ANNA, put(jar))
    await jars.put(BOB, put(jar, 7))

    later = jars.elsewhere()
    later.clock.advance(timedelta(days=1))

    assert await later.put(ANNA, put(jar)) == first
    assert await jars.coins(jar) == 12


@pytest.mark.rule("PR-10")
async def test_other_content_under_the_same_request_id_is_refused_and_changes_nothing(jars: Jars, jar: str) -> None:
    await jars.put(ANNA, put(jar, 5))

    with pytest.raises(RequestReused):
        await jars.put(ANNA, put(jar, 6))

    assert await jars.coins(jar) == 5


@pytest.mark.rule("PR-10")
async def test_a_request_repeated_across_a_release_that_adds_a_field_is_the_same_request(jars: Jars, jar: str) -> None:
    class Released(PutCoins):
        kept_as = PutCoins.kept_as
        note: str = ""

    asked = put(jar, 5)

    first = await jars.put(ANNA, asked)
    again = await jars.put(ANNA, Released(**asked.model_dump()))

    assert again == first
    assert await jars.coins(jar) == 5


async def test_request_ids_are_each_callers_own_and_each_commands_own(jars: Jars, jar: str) -> None:
    for caller in (ANNA, BOB, operator("mem_anna")):
        await jars.put(caller, put(jar, 5, "the-same-id"))
    await jars.take(ANNA, TakeCoins(request_id="the-same-id", jar=jar, coins=1))

    assert await jars.coins(jar) == 14


@pytest.mark.rule("PR-10")
async def test_strangers_for_whom_one_service_asks_share_no_request_ids(jars: Jars) -> None:
    class PutForStranger(PutCoins):
        @property
        def of_whom(self) -> str:
            return self.jar

    first, second = new_jar(), new_jar()
    for jar in (first, second):
        await jars.put(service("gateway"), PutForStranger(request_id="the-same-id", jar=jar, coins=5))

    with pytest.raises(RequestReused):
        await jars.put(service("gateway"), PutForStranger(request_id="the-same-id", jar=first, coins=6))
    assert [await jars.coins(jar) for jar in (first, second)] == [5, 5]


@pytest.mark.rule("PR-10")
@pytest.mark.parametrize("heard", [True, False])
async def test_a_request_whose_commit_was_never_answered_acts_once_when_it_comes_again(
    postgres: Postgres, jars: Jars, jar: str, heard: bool
) -> None:
    async with wire_to(postgres.port) as wire, jars.over(wire) as cut_off:
        (wire.cut_after if heard else wire.cut_before)(b"COMMIT")
        with pytest.raises(Unavailable):
            await cut_off.put(ANNA, put(jar))
        assert wire.cuts == 1
        assert await jars.coins(jar) == (5 if heard else None)

        answer = await cut_off.put(ANNA, put(jar))

    assert answer == JarView(jar=jar, coins=5, put_at=NOW)
    assert await jars.coins(jar) == 5
    assert await jars.told(jar) == [(1, 5)]


@pytest.mark.rule("PR-10")
async def test_two_hundred_repeats_at_once_act_once_and_hear_the_same(jars: Jars, jar: str) -> None:
    barrier = asyncio.Barrier(200)

    async def ask() -> JarView:
        await barrier.wait()
        return await insisting(lambda: jars.put(ANNA, put(jar)))

    answers = await asyncio.gather(*(ask() for _ in range(200)))

    assert {answer.coins for answer in answers} == {5}
    assert await jars.coins(jar) == 5
    assert await jars.told(jar) == [(1, 5)]


class Held:
    """Holds a verb in its middle until it may go on."""

    def __init__(self, jars: Jars) -> None:
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()
        jars.meanwhile = self._wait

    async def _wait(self, tx: AsyncSession) -> None:
        self.begun.set()
        await self.may_go_on.wait()


@pytest.mark.rule("PR-10")
async def test_a_repeat_while_the_first_is_under_way_waits_and_hears_its_answer(jars: Jars, jar: str) -> None:
    held = Held(jars)
    first = asyncio.create_task(jars.put(ANNA, put(jar)))
    await held.begun.wait()
    repeat = asyncio.create_task(jars.elsewhere().put(ANNA, put(jar)))
    await asyncio.sleep(0.5)
    assert not repeat.done()

    held.may_go_on.set()

    assert await repeat == await first
    assert await jars.coins(jar) == 5


@pytest.mark.rule("PR-10")
async def test_a_repeat_that_waited_five_seconds_is_told_to_come_again(jars: Jars, jar: str) -> None:
    held = Held(jars)
    first = asyncio.create_task(jars.put(ANNA, put(jar)))
    await held.begun.wait()

    began = time.monotonic()
    with pytest.raises(StillRunning) as told:
        await jars.elsewhere().put(ANNA, put(jar))

    assert 4.9 < time.monotonic() - began < 7
    assert told.value.kind is Kind.BUSY
    assert told.value.passes
    held.may_go_on.set()
    await first
    assert await jars.coins(jar) == 5


async def test_a_repeat_of_a_first_that_failed_acts(jars: Jars, jar: str) -> None:
    with pytest.raises(JarShort):
        await jars.take(ANNA, TakeCoins(request_id="take-1", jar=jar, coins=1))
    await jars.put(BOB, put(jar))

    taken = await jars.take(ANNA, TakeCoins(request_id="take-1", jar=jar, coins=1))

    assert taken.coins == 4


async def test_a_verb_that_fails_tells_nothing(jars: Jars, jar: str) -> None:
    async def refuse(tx: AsyncSession) -> None:
        raise NotAllowed

    jars.meanwhile = refuse
    with pytest.raises(NotAllowed):
        await jars.put(ANNA, put(jar))

    assert await jars.coins(jar) is None
    assert await jars.told(jar) == []


async def kept(jars: Jars, request_id: str) -> tuple[bytes, bytes]:
    t = jars.tables.requests.c
    found = sa.select(t.digest, t.answer).where(t.request_id == request_id)
    async with jars.database.reading() as session:
        digest, answer = (await session.execute(found)).one()
    return digest, answer


@pytest.mark.rule("PR-10")
async def test_the_kept_hash_tells_nothing_without_the_key(jars: Jars, jar: str) -> None:
    await jars.put(ANNA, put(jar))
    digest, _ = await kept(jars, f"put-{jar}")
    content = put(jar).model_dump_json(exclude={"request_id", "as_of"}).encode()
    unkeyed = {hashlib.new(name, content).digest() for name in ("sha256", "blake2s", "sha3_256")}

    with pytest.raises(RequestReused):
        await jars.elsewhere(key=b"x" * 32).put(ANNA, put(jar))

    assert digest not in unkeyed


async def test_a_kept_answer_cannot_be_read_in_the_database(jars: Jars, jar: str) -> None:
    answer = await jars.put(ANNA, put(jar))

    _, sealed = await kept(jars, f"put-{jar}")

    assert len(sealed) > len(answer.secret)
    for word in (answer.secret, jar, "coins"):
        assert word.encode() not in sealed


async def test_no_two_answers_are_sealed_with_the_same_nonce(jars: Jars, jar: str) -> None:
    """A transaction that is run again may seal another answer under the same key."""
    for request_id in ("nonce-1", "nonce-2"):
        await jars.put(ANNA, put(jar, request_id=request_id))

    (_, one), (_, other) = [await kept(jars, request_id) for request_id in ("nonce-1", "nonce-2")]

    assert one[:12] != other[:12]


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_transaction_that_the_database_wants_again_is_run_again_and_told_once(
    jars: Jars, jar: str, state: str
) -> None:
    async def fail_twice(tx: AsyncSession) -> None:
        if jars.runs <= 2:
            await tx.execute(sa.text(f"do $$ begin raise exception using errcode = '{state}'; end $$"))

    jars.meanwhile = fail_twice
    answer = await jars.put(ANNA, put(jar))

    assert jars.runs == 3
    assert answer.coins == 5
    assert await jars.told(jar) == [(1, 5)]
    assert len([row for row in await jars.outbox_rows("process") if row["aggregate_id"] == f"jar/{jar}"]) == 1


async def test_two_that_lock_each_other_out_both_get_there(jars: Jars) -> None:
    one, other = new_jar(), new_jar()
    both_have_one = asyncio.Barrier(2)

    def also(jar: str, mine: Jars) -> None:
        async def lock_the_other(tx: AsyncSession) -> None:
            if mine.runs == 1:
                await both_have_one.wait()
            j = mine.tables.jars
            await tx.execute(sa.update(j).where(j.c.id == jar).values(coins=j.c.coins + 100))

        mine.meanwhile = lock_the_other

    for jar in (one, other):
        await jars.elsewhere().put(ANNA, put(jar))
    first, second = jars.elsewhere(), jars.elsewhere()
    also(other, first)
    also(one, second)
    await asyncio.gather(first.put(ANNA, put(one, 1, "first")), second.put(ANNA, put(other, 1, "second")))

    assert first.runs + second.runs == 3
    assert await jars.coins(one) == await jars.coins(other) == 106
    assert [version for version, _ in await jars.told(one)] == [1, 2]


@pytest.mark.rule("PR-05")
@pytest.mark.parametrize("caller", [ANNA, operator("worker"), service("store"), member("worker")])
async def test_nobody_but_the_worker_states_a_time(jars: Jars, jar: str, caller: Caller) -> None:
    earlier = put(jar).model_copy(update={"as_of": NOW - timedelta(days=1)})

    with pytest.raises(AsOfNotAllowed):
        await jars.put(caller, earlier)

    assert await jars.coins(jar) is None


async def test_what_the_worker_does_is_stamped_with_the_time_that_it_states(jars: Jars, jar: str) -> None:
    as_of = NOW - timedelta(days=1)
    first = await jars.put(WORKER, put(jar).model_copy(update={"as_of": as_of}))

    again = await jars.put(WORKER, put(jar).model_copy(update={"as_of": NOW}))

    assert first.put_at == as_of
    assert again == first


async def test_everybody_elses_doing_is_stamped_with_the_services_clock(jars: Jars, jar: str) -> None:
    jars.clock.advance(timedelta(hours=3))

    assert (await jars.put(ANNA, put(jar))).put_at == NOW + timedelta(hours=3)
