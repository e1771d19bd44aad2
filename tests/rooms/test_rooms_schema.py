from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError, ProgrammingError

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.rooms.models import Table
from tests.rooms.town import Town


def test_the_migrated_schema_is_that_of_the_models(postgres: Postgres, database: Database) -> None:
    # Outside of its own search path, so that what is found carries its schema as the models do.
    elsewhere = {"options": "-c search_path=public"}
    engine = sa.create_engine(postgres.url("rooms_owner"), poolclass=sa.NullPool, connect_args=elsewhere)
    with engine.connect() as connection:
        options: dict[str, Any] = {
            "include_schemas": True,
            "version_table_schema": "rooms",
            "include_name": lambda name, kind, _: kind != "schema" or name == "rooms",
            "include_object": lambda _, name, kind, *__: (kind, name) != ("table", "schema_version"),
        }
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata)

    assert differences == []


@pytest.mark.rule("RM-23")
@pytest.mark.parametrize(
    "rewriting",
    [
        "delete from rooms.memberships",
        "update rooms.lease_versions set starts_on = now()",
        "delete from rooms.lease_versions",
    ],
)
async def test_the_service_cannot_rewrite_who_was_there_when(town: Town, rewriting: str) -> None:
    await town.move_in()

    with pytest.raises(ProgrammingError, match="permission denied"):
        await town.database.transact(lambda tx: tx.execute(sa.text(rewriting)))


@pytest.mark.rule("RM-06")
async def test_the_schema_admits_no_second_contractor(town: Town) -> None:
    _, place = await town.move_in()
    second = sa.text(
        "insert into rooms.memberships (id, lease_id, member_id, contractor, registered_at)"
        " values ('mbs_second', :lease, 'mem_second', true, now())"
    )

    with pytest.raises(IntegrityError, match="memberships_one_contractor"):
        await town.database.transact(lambda tx: tx.execute(second, {"lease": place.lease_id}))
