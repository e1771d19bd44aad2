"""Migrations on a real database: each context in its own schema, whole or not at all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql

from deploy.local.child import running
from deploy.local.ports import free_port
from deploy.local.postgres import ADMIN, ROLES, Postgres, create_contexts
from services import CONTEXTS
from services.chassis import migrate

PASSWORDS = {role: f"{role}-test" for role in (ADMIN, *ROLES)}


async def rows(postgres: Postgres, role: str, statement: LiteralString | sql.Composed) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(postgres.dsn(role), autocommit=True) as connection:
        return await (await connection.execute(statement)).fetchall()


async def tables(postgres: Postgres, context: str) -> list[str]:
    found = f"select tablename from pg_tables where schemaname = '{context}' order by 1"
    return [str(name) for (name,) in await rows(postgres, f"{context}_owner", found)]


async def upgrade(postgres: Postgres, context: str) -> None:
    await asyncio.to_thread(migrate.upgrade, context, postgres.url(f"{context}_owner"))


@pytest.fixture(scope="module")
async def fresh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A database of these tests' own, with empty schemas."""
    folder = tmp_path_factory.mktemp("migrate")
    server = Postgres(folder / "pg", free_port(), PASSWORDS, log=folder / "log", durable=False)
    async with running(server.program()):
        await create_contexts(server.admin_url, PASSWORDS)
        yield server


class Planted:
    """A context's folder with versions of a test's own."""

    def __init__(self, services: Path) -> None:
        self.folder = services / "points" / "migrations"
        (self.folder / "versions").mkdir(parents=True)
        (self.folder / "env.py").write_text("from services.chassis.migrate import run\n\nrun()\n")

    def version(self, number: int, statement: str) -> None:
        before = f'"{number - 1:04}"' if number > 1 else "None"
        (self.folder / "versions" / f"{number:04}.py").write_text(
            f'from alembic import op\n\nrevision, down_revision = "{number:04}", {before}\n\n\n'
            f"def upgrade() -> None:\n    op.execute({statement!r})\n"
        )


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setattr(migrate, "SERVICES", tmp_path)
    return Planted(tmp_path)


async def upgrade_elsewhere(postgres: Postgres, planted: Planted) -> None:
    """In a process of its own: within one, versions are run one after the other."""
    code = (
        "import sys, pathlib\n"
        "from services.chassis import migrate\n"
        "migrate.SERVICES = pathlib.Path(sys.argv[1])\n"
        "migrate.upgrade('points', sys.argv[2])\n"
    )
    arguments = str(planted.folder.parents[1]), postgres.url("points_owner")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments)
    assert await process.wait() == 0


@pytest.fixture
async def empty(fresh: Postgres) -> AsyncIterator[Postgres]:
    """The schema of points without any table, before and after."""
    await empty_points(fresh)
    yield fresh
    await empty_points(fresh)


async def empty_points(fresh: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(fresh.dsn("points_owner"), autocommit=True) as owner:
        for table in await tables(fresh, "points"):
            await owner.execute(sql.SQL("drop table {} cascade").format(sql.Identifier("points", table)))


@pytest.fixture(scope="module")
async def migrated(fresh: Postgres) -> Postgres:
    """With every context at its newest version."""
    for context in CONTEXTS:
        await upgrade(fresh, context)
    return fresh


async def test_a_newer_version_is_added_to_what_is_there(planted: Planted, empty: Postgres) -> None:
    planted.version(1, "create table points.jars (id int)")
    await upgrade(empty, "points")
    planted.version(2, "create table points.lids (id int)")

    await upgrade(empty, "points")

    assert await tables(empty, "points") == ["jars", "lids", "schema_version"]
    assert await rows(empty, "points", "select version_num from points.schema_version") == [("0002",)]


async def test_a_version_that_fails_leaves_nothing_of_any(planted: Planted, empty: Postgres) -> None:
    planted.version(1, "create table points.jars (id int)")
    planted.version(2, "create table points.lids (id nonsense)")

    with pytest.raises(sa.exc.ProgrammingError, match="nonsense"):
        await upgrade(empty, "points")

    assert await tables(empty, "points") == []


async def test_two_that_migrate_at_once_do_it_one_after_the_other(planted: Planted, empty: Postgres) -> None:
    planted.version(1, "create table points.jars as select id from pg_sleep(1), generate_series(1, 3) id")

    await asyncio.gather(*(upgrade_elsewhere(empty, planted) for _ in range(3)))

    assert await rows(empty, "points", "select count(*) from points.jars") == [(3,)]


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_migrated_schema_is_the_one_that_the_models_describe(migrated: Postgres, context: str) -> None:
    import_module(f"services.{context}.main")  # makes all tables known
    metadata: sa.MetaData = import_module(f"services.{context}.models").Table.metadata
    options: dict[str, Any] = {
        "include_schemas": True,
        "include_name": lambda name, kind, _: name == context if kind == "schema" else name != "schema_version",
    }
    # Outside of the role's own search path, so that the schema is named as the models name it.
    outside = {"options": "-c search_path=public"}
    engine = sa.create_engine(migrated.url(f"{context}_owner"), poolclass=sa.NullPool, connect_args=outside)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        checks = f"select conname from pg_constraint where contype = 'c' and connamespace = '{context}'::regnamespace"
        there = set(connection.scalars(sa.text(checks)))

    described = (it for table in metadata.tables.values() for it in table.constraints)
    assert differences == []
    assert there == {str(it.name) for it in described if isinstance(it, sa.CheckConstraint)}


@pytest.mark.parametrize("context", CONTEXTS)
async def test_no_other_role_can_do_anything_with_the_tables_of_a_context(migrated: Postgres, context: str) -> None:
    open_to = f"""
        select distinct rolname from pg_roles, pg_class
        where relnamespace = '{context}'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') and not rolsuper
          and case relkind
            when 'S' then has_sequence_privilege(pg_roles.oid, pg_class.oid, 'usage, select, update')
            else has_table_privilege(pg_roles.oid, pg_class.oid, 'select, insert, update, delete, truncate, references')
              or has_any_column_privilege(pg_roles.oid, pg_class.oid, 'select, insert, update, references')
          end"""

    found = {role for (role,) in await rows(migrated, ADMIN, open_to) if not str(role).startswith("pg_")}

    assert found == {context, f"{context}_owner"}


@pytest.mark.parametrize("context", CONTEXTS)
async def test_what_a_context_keeps_is_refused_to_its_neighbours(migrated: Postgres, context: str) -> None:
    kept = await tables(migrated, context)
    assert len(kept) > 3

    for neighbour in (role for role in ROLES if role not in {context, f"{context}_owner"}):
        async with await psycopg.AsyncConnection.connect(migrated.dsn(neighbour), autocommit=True) as connection:
            for table in kept:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await connection.execute(sql.SQL("select 1 from {}").format(sql.Identifier(context, table)))


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_reads_its_own_tables_and_changes_no_schema(migrated: Postgres, context: str) -> None:
    for table in await tables(migrated, context):
        await rows(migrated, context, sql.SQL("select 1 from {} limit 1").format(sql.Identifier(context, table)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await rows(migrated, context, sql.SQL("drop table {}").format(sql.Identifier(context, table)))
