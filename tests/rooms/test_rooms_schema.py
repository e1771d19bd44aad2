from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tests.rooms.town import Town


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
