from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import registry
from sqlmodel import Field

from deploy.local.child import Child
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services.chassis import db
from services.chassis.db import Database, ValidatedTable, violated
from services.chassis.errors import Crowded, Kind, NotFound, TooLate, Unavailable
from tests.support.callers import member
from tests.support.jars import Jars, PutCoins, jars_in, new_jar

ANNA = member("mem_anna")


@pytest.fixture(scope="module")
async def jars(postgres: Postgres) -> AsyncIterator[Jars]:
    async with jars_in(postgres) as jars:
        yield jars


@pytest.fixture
async def jar(jars: Jars) -> str:
    """A jar with ten coins."""
    jar = new_jar()
    await jars.put(ANNA, PutCoins(request_id=jar, jar=jar, coins=10))
    return jar


async def one(tx: AsyncSession) -> object:
    return (await tx.execute(sa.text("select 1"))).scalar()


def add(jars: Jars, jar: str, coins: int) -> sa.Update:
    j = jars.tables.jars
    return sa.update(j).where(j.c.id == jar).values(coins=j.c.coins + coins)


async def test_a_transaction_is_committed_whole_or_not_at_all(jars: Jars, jar: str) -> None:
    async def half(tx: AsyncSession) -> None:
        await tx.execute(add(jars, jar, 1))
        raise NotFound

    with pytest.raises(NotFound):
        await jars.database.transact(half)

    assert await jars.coins(jar) == 10


async def test_a_constraint_that_decides_is_told_by_its_name(jars: Jars, jar: str) -> None:
    async def overdraw(tx: AsyncSession) -> None:
        await tx.execute(add(jars, jar, -11))

    with pytest.raises(IntegrityError) as decided:
        await jars.database.transact(overdraw)

    assert violated(decided.value) == "jars_coins"


async def test_what_collides_when_all_must_be_as_if_one_by_one_is_run_again(jars: Jars, jar: str) -> None:
    both_have_read, runs = asyncio.Barrier(2), 0

    async def read_then_write(tx: AsyncSession) -> None:
        nonlocal runs
        runs += 1
        await tx.execute(sa.text("set transaction isolation level serializable"))
        j = jars.tables.jars
        coins = (await tx.execute(sa.select(j.c.coins).where(j.c.id == jar))).scalar_one()
        if runs <= 2:
            await both_have_read.wait()
        await tx.execute(sa.update(j).where(j.c.id == jar).values(coins=coins + 1))

    await asyncio.gather(*(jars.database.transact(read_then_write) for _ in range(2)))

    assert runs == 3
    assert await jars.coins(jar) == 12


async def test_what_keeps_colliding_is_given_up_and_may_be_tried_again(jars: Jars) -> None:
    async def collide(tx: AsyncSession) -> None:
        await tx.execute(sa.text("do $$ begin raise exception using errcode = '40001'; end $$"))

    with pytest.raises(Crowded) as given_up:
        await jars.database.transact(collide)

    assert given_up.value.kind is Kind.BUSY


async def test_a_lock_that_is_not_had_in_time_is_an_answer(jars: Jars, jar: str) -> None:
    async def impatient(tx: AsyncSession) -> None:
        await tx.execute(sa.text("set local lock_timeout = '100ms'"))
        await tx.execute(add(jars, jar, 1))

    async def holding(tx: AsyncSession) -> None:
        await tx.execute(add(jars, jar, 1))
        with pytest.raises(Crowded):
            await jars.database.transact(impatient)

    await jars.database.transact(holding)

    assert await jars.coins(jar) == 11


async def test_a_statement_that_takes_too_long_is_stopped(jars: Jars) -> None:
    async def slow(tx: AsyncSession) -> None:
        await tx.execute(sa.text("set local statement_timeout = '50ms'"))
        await tx.execute(sa.text("select pg_sleep(10)"))

    with pytest.raises(TooLate):
        await jars.database.transact(slow)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("lock_timeout", "5s"), ("statement_timeout", "15s"), ("idle_in_transaction_session_timeout", "30s")],
)
async def test_every_connection_has_its_limits(jars: Jars, name: str, limit: str) -> None:
    async def shown(tx: AsyncSession) -> object:
        return (await tx.execute(sa.text(f"show {name}"))).scalar()

    async with jars.database.reading() as session:
        assert await shown(session) == limit
    assert await jars.database.transact(shown) == limit


async def test_queries_open_no_transaction(jars: Jars) -> None:
    begun = sa.text("select now()")
    async with jars.database.reading() as session:
        first = (await session.execute(begun)).scalar_one()
        second = (await session.execute(begun)).scalar_one()

    assert first < second


@pytest.mark.parametrize("state", ["08006", "53100", "57P01"])
async def test_a_database_that_cannot_go_on_is_away(jars: Jars, state: str) -> None:
    async def failing(tx: AsyncSession) -> None:
        await tx.execute(sa.text(f"do $$ begin raise exception using errcode = '{state}'; end $$"))

    with pytest.raises(Unavailable):
        await jars.database.transact(failing)


@pytest.fixture
async def narrow(jars: Jars, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The same database over one connection of each kind, without patience for a second."""
    monkeypatch.setattr(db, "_POOL_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(db, "_MORE_CONNECTIONS", 0)
    database = Database(jars.database.engine.url.render_as_string(hide_password=False), pool_size=1)
    yield database
    await database.close()


async def test_queries_do_not_wait_for_those_that_wait(narrow: Database) -> None:
    async def all_connections(tx: AsyncSession) -> None:
        await one(tx)
        async with narrow.reading() as session:
            assert await one(session) == 1

    await narrow.transact(all_connections)


async def test_when_all_connections_are_taken_the_wait_has_an_end(narrow: Database) -> None:
    async def all_connections(tx: AsyncSession) -> None:
        await one(tx)
        with pytest.raises(Unavailable):
            await narrow.transact(one)

    await narrow.transact(all_connections)


async def test_a_caller_who_goes_away_takes_no_connection_along(narrow: Database) -> None:
    async def slow(tx: AsyncSession) -> None:
        await tx.execute(sa.text("select pg_sleep(10)"))

    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await narrow.transact(slow)

    async with asyncio.timeout(2):
        assert await narrow.transact(one) == 1


async def test_a_database_that_is_away_has_a_name_and_its_return_needs_no_restart(tmp_path: Path) -> None:
    passwords = {name: f"{name}-test" for name in (ADMIN, *ROLES)}
    server = Postgres(tmp_path / "pg", free_port(), passwords, log=tmp_path / "log")
    child = Child(server.program())
    await child.start()
    await child.until_ready(60)
    await create_contexts(server.admin_url, passwords)
    database = Database(server.url("points"))
    assert await database.transact(one) == 1

    child.kill()
    await child.wait()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await database.transact(one)
        with pytest.raises(Unavailable):
            async with database.reading() as session:
                await one(session)

    await child.start()
    await child.until_ready(60)
    assert await database.transact(one) == 1
    async with database.reading() as session:
        assert await one(session) == 1
    await child.stop()
    await database.close()


async def test_a_session_that_the_server_ends_has_a_name(jars: Jars) -> None:
    async def end_yourself(tx: AsyncSession) -> None:
        await tx.execute(sa.text("select pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable):
        await jars.database.transact(end_yourself)

    assert await jars.database.transact(one) == 1


async def test_a_mistake_of_ours_stays_what_it_is(jars: Jars) -> None:
    async def misspelt(tx: AsyncSession) -> None:
        await tx.execute(sa.text("select colour from nowhere"))

    with pytest.raises(DBAPIError):
        await jars.database.transact(misspelt)


class Chairs(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="chairs"))):
    """As each context has one."""


class Chair(Chairs, table=True):
    id: str = Field(primary_key=True)
    legs: int = Field(ge=3)


def test_a_row_keeps_its_rules_when_it_is_made() -> None:
    assert Chair.make(id="a", legs=3).legs == 3
    with pytest.raises(ValidationError):
        Chair.make(id="a", legs=2)


def test_tables_of_one_context_are_unknown_to_others() -> None:
    assert list(Chairs.metadata.tables) == ["chairs.chair"]
    assert "chairs.chair" not in ValidatedTable.metadata.tables
