from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import ProgrammingError

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.sparekey.models import Table
from services.sparekey.servicer import SparekeyServicer


def test_the_migrated_schema_is_that_of_the_models(postgres: Postgres, database: Database) -> None:
    # Outside of its own search path, so that what is found carries its schema as the models do.
    elsewhere = {"options": "-c search_path=public"}
    engine = sa.create_engine(postgres.url("sparekey_owner"), poolclass=sa.NullPool, connect_args=elsewhere)
    with engine.connect() as connection:
        options: dict[str, Any] = {
            "include_schemas": True,
            "version_table_schema": "sparekey",
            "include_name": lambda name, kind, _: kind != "schema" or name == "sparekey",
            "include_object": lambda _, name, kind, *__: (kind, name) != ("table", "schema_version"),
        }
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata)

    assert SparekeyServicer.__name__  # whose import makes all tables known
    assert differences == []


@pytest.mark.parametrize("table", ["timeline", "audits", "words", "scans"])
@pytest.mark.parametrize("rewriting", ["delete from sparekey.{}", "truncate sparekey.{}"])
async def test_the_service_cannot_rewrite_what_happened(database: Database, table: str, rewriting: str) -> None:
    statement = sa.text(rewriting.format(table))

    with pytest.raises(ProgrammingError, match="permission denied"):
        await database.transact(lambda tx: tx.execute(statement))
