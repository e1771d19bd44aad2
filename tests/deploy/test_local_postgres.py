"""PostgreSQL as tests and the local stack run it: who may do what, and from what it recovers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services import CONTEXTS

DATABASE_PASSWORDS = {role: f"{role}/päss word" for role in (ADMIN, *ROLES)}


async def as_role(postgres: Postgres, role: str, *statements: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(postgres.dsn(role), autocommit=True) as connection:
        for statement in statements:
            cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """One of its own: the tables that are made here must not meet those of the contexts."""
    folder = tmp_path_factory.mktemp("roles")
    server = Postgres(folder / "pg", free_port(), DATABASE_PASSWORDS, log=folder / "log", durable=False)
    async with running(server.program()):
        await create_contexts(server.admin_url, DATABASE_PASSWORDS)
        yield server


async def test_service_writes_rows_that_its_owner_made_room_for(postgres: Postgres) -> None:
    await as_role(
        postgres,
        "store_owner",
        "CREATE TABLE IF NOT EXISTS chairs (id serial PRIMARY KEY, legs int)",
        "TRUNCATE chairs",
    )

    await as_role(postgres, "store", "INSERT INTO chairs (legs) VALUES (3)", "UPDATE chairs SET legs = 4")

    assert await as_role(postgres, "store", "SELECT legs FROM store.chairs") == [(4,)]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("store", "CREATE TABLE store.hidden (id int)"),
        ("store", "ALTER TABLE store.tables ADD COLUMN more int"),
        ("store", "CREATE TABLE public.hidden (id int)"),
        ("store", "CREATE TEMPORARY TABLE hidden (id int)"),
        ("points", "SELECT * FROM store.tables"),
        ("points_owner", "SELECT * FROM store.tables"),
        ("points_owner", "CREATE TABLE store.hidden (id int)"),
        ("points_owner", "CREATE SCHEMA hidden"),
    ],
)
async def test_no_role_reaches_beyond_its_schema(postgres: Postgres, role: str, statement: str) -> None:
    await as_role(postgres, "store_owner", "CREATE TABLE IF NOT EXISTS store.tables (id int)")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await as_role(postgres, role, statement)


@pytest.mark.parametrize("context", CONTEXTS)
async def test_schema_is_open_to_its_own_two_roles_only(postgres: Postgres, context: str) -> None:
    question = f"SELECT rolname FROM pg_roles WHERE NOT rolsuper AND has_schema_privilege(oid, '{context}', 'USAGE')"

    may_look = {role for (role,) in await as_role(postgres, context, question)}

    assert {role for role in may_look if not str(role).startswith("pg_")} == {context, f"{context}_owner"}


async def test_database_asks_every_role_for_its_password(postgres: Postgres) -> None:
    for role in (ADMIN, *ROLES):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await psycopg.AsyncConnection.connect(postgres.dsn(role), password="guess")


async def test_postgres_starts_although_its_old_number_was_never_written(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path, free_port(), DATABASE_PASSWORDS, log=tmp_path / "log", durable=False)
    async with running(postgres.program()):
        pass
    (tmp_path / "data" / "postmaster.pid").touch()

    async with running(postgres.program()) as child:
        assert not child.exited


async def test_contexts_are_made_again_without_loss_and_take_new_passwords(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path, free_port(), DATABASE_PASSWORDS, log=tmp_path / "log", durable=False)
    async with running(postgres.program()):
        await create_contexts(postgres.admin_url, DATABASE_PASSWORDS)
        await as_role(postgres, "rooms_owner", "CREATE TABLE lamps AS SELECT 7 AS watts")
        changed = {**DATABASE_PASSWORDS, "rooms": "changed"}

        await create_contexts(postgres.admin_url, changed)

        url = postgres.dsn("rooms")
        async with await psycopg.AsyncConnection.connect(url, password="changed") as connection:
            found = await connection.execute("SELECT watts FROM lamps")
            assert await found.fetchone() == (7,)


async def test_half_made_database_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18")

    postgres = Postgres(tmp_path, free_port(), DATABASE_PASSWORDS, log=tmp_path / "log", durable=False)

    async with running(postgres.program()):
        await create_contexts(postgres.admin_url, DATABASE_PASSWORDS)


async def test_postgres_starts_although_its_old_number_is_another_programs_now(tmp_path: Path) -> None:
    postgres = Postgres(tmp_path, free_port(), DATABASE_PASSWORDS, log=tmp_path / "log", durable=False)
    async with running(postgres.program()):
        pass
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    (tmp_path / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path / 'data'}\n")

    async with running(postgres.program()) as child:
        assert not child.exited

    stranger.kill()
    await stranger.wait()
