from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tests.rooms.world import World


@pytest.mark.rule("RM-23")
@pytest.mark.parametrize(
    "rewriting",
    [
        "delete from rooms.memberships",
        "update rooms.lease_versions set starts_on = now()",
        "delete from rooms.lease_versions",
    ],
)
async def test_the_service_cannot_rewrite_who_was_there_when(world: World, rewriting: str) -> None:
    await world.move_in()

    with pytest.raises(ProgrammingError, match="permission denied"):
        await world.database.transact(lambda tx: tx.execute(sa.text(rewriting)))


@pytest.mark.rule("RM-06")
async def test_the_schema_admits_no_second_contractor(world: World) -> None:
    _, place = await world.move_in()
    second = sa.text(
        "insert into rooms.memberships (id, lease_id, member_id, contractor, registered_at)"
        " values ('mbs_second', :lease, 'mem_second', true, now())"
    )

    with pytest.raises(IntegrityError, match="memberships_one_contractor"):
        await world.database.transact(lambda tx: tx.execute(second, {"lease": place.lease_id}))
