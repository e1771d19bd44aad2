from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import services.identity.main as _all_tables
from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.identity.models import Table

assert _all_tables


def test_the_migrations_make_what_the_models_say(migrated_database: Database, postgres: Postgres) -> None:
    nowhere = {"options": "-c search_path="}  # else the schema would be taken for the nameless one
    engine = sa.create_engine(postgres.url("identity_owner"), poolclass=sa.NullPool, connect_args=nowhere)

    with engine.connect() as connection:
        options = {
            "version_table": "schema_version",
            "version_table_schema": "identity",
            "include_schemas": True,
            "include_name": lambda name, kind, _: kind != "schema" or name == "identity",
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, Table.metadata)

    assert differences == []


@pytest.mark.parametrize("table", ["security_log", "consents"])
@pytest.mark.parametrize("change", ["update {} set member_id = 'x'", "delete from {}", "truncate {}"])
async def test_what_was_written_down_for_good_cannot_be_changed_by_the_service(
    migrated_database: Database, postgres: Postgres, table: str, change: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.dsn("identity")) as service:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await service.execute(change.format(table))
