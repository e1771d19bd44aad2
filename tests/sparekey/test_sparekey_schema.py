from __future__ import annotations

from typing import get_type_hints

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from services.chassis.db import Database
from services.sparekey.cases.models import Case, Columns


@pytest.mark.parametrize("table", ["timeline", "audits", "words", "scans"])
@pytest.mark.parametrize("rewriting", ["delete from sparekey.{}", "truncate sparekey.{}"])
async def test_the_service_cannot_rewrite_what_happened(database: Database, table: str, rewriting: str) -> None:
    statement = sa.text(rewriting.format(table))

    with pytest.raises(ProgrammingError, match="permission denied"):
        await database.transact(lambda tx: tx.execute(statement))


def test_what_changes_of_a_case_is_typed_as_its_columns_are() -> None:
    fixed = {"order_id", "member_id", "version"}
    declared = {name: field.annotation for name, field in Case.model_fields.items() if name not in fixed}

    assert get_type_hints(Columns) == declared
