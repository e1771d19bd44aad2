from __future__ import annotations

import psycopg
import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database


@pytest.mark.parametrize("table", ["security_log", "consents"])
@pytest.mark.parametrize("change", ["update {} set member_id = 'x'", "delete from {}", "truncate {}"])
async def test_what_was_written_down_for_good_cannot_be_changed_by_the_service(
    migrated_database: Database, postgres: Postgres, table: str, change: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.dsn("identity")) as service:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await service.execute(change.format(table))
