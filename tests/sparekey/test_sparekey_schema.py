from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from services.chassis.db import Database


@pytest.mark.parametrize("table", ["timeline", "audits", "words", "scans"])
@pytest.mark.parametrize("rewriting", ["delete from sparekey.{}", "truncate sparekey.{}"])
async def test_the_service_cannot_rewrite_what_happened(database: Database, table: str, rewriting: str) -> None:
    statement = sa.text(rewriting.format(table))

    with pytest.raises(ProgrammingError, match="permission denied"):
        await database.transact(lambda tx: tx.execute(statement))
