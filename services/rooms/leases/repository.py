"""Statements on buildings, rooms and leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.rooms.leases.models import Building, Lease, LeaseVersion, Room

buildings, rooms, leases, versions = (each.table() for each in (Building, Room, Lease, LeaseVersion))

Columns = Any
"""The columns of leases, as they are or as they were known at some time."""


def over(lease: Columns, later: Columns, day: date | sa.BindParameter[date]) -> sa.ColumnElement[bool]:
    """Whether a lease gives no access on `day`: it has ended, or the room is let to others since (RM-22).

    Args:
        lease: the columns of the lease.
        later: those of a second source of leases, in which one that began later is looked for.
        day: a day in Japan.
    """
    let_to_others = sa.exists().where(
        later.room_id == lease.room_id,
        sa.tuple_(later.starts_on, later.id) > sa.tuple_(lease.starts_on, lease.id),
        later.starts_on <= day,
        sa.or_(later.ends_on.is_(None), later.ends_on >= day),
    )
    return sa.or_(sa.func.coalesce(lease.ends_on < day, sa.false()), let_to_others)


async def put_buildings(tx: AsyncSession, given: Sequence[Mapping[str, Any]]) -> Sequence[sa.RowMapping]:
    """Keeps what is newer than ours. Returns what changed, and whether parcels are addressed otherwise since."""
    addressing = ("name", "postal_code", "prefecture", "city", "street")
    moved = _moved(f"old.id is not null and {_differs(addressing)}")
    return await _put(tx, buildings, given, [buildings.c.id, buildings.c.code, moved])


async def put_leases(tx: AsyncSession, given: Sequence[Mapping[str, Any]]) -> Sequence[sa.RowMapping]:
    """Keeps what is newer than ours. Returns what changed, whether it `moved` what was known before, and from where.

    A lease that is new moves what is known of a room that was let before: it may be let to others since (RM-22).
    """
    telling = ("room_id", "starts_on", "ends_on", "corporate", "contractor_name")
    let_before = f"exists (select from {leases} other where other.room_id = new.room_id and other.id <> new.id)"
    moved = _moved(f"case when old.id is null then {let_before} else {_differs(telling)} end")
    return await _put(
        tx, leases, given, [leases, moved, sa.literal_column("old.room_id", sa.Text).label("room_before")]
    )


def _moved(condition: str) -> sa.Label[bool]:
    return sa.literal_column(condition, sa.Boolean).label("moved")


def _differs(names: Sequence[str]) -> str:
    before, after = (", ".join(f"{row}.{name}" for name in names) for row in ("old", "new"))
    return f"({before}) is distinct from ({after})"


async def _put(
    tx: AsyncSession, table: sa.Table, given: Sequence[Mapping[str, Any]], returned: Sequence[Any]
) -> Sequence[sa.RowMapping]:
    if not given:
        return []
    statement = insert(table)
    fresh = {name: statement.excluded[name] for name in given[0] if name not in {"id", "code"}}
    statement = statement.on_conflict_do_update(
        index_elements=["code"], set_=fresh, where=table.c.version < statement.excluded.version
    )
    return (await tx.execute(statement.returning(*returned), given)).mappings().all()


async def building_ids(tx: AsyncSession, codes: set[str]) -> dict[str, str]:
    found = await tx.execute(sa.select(buildings.c.code, buildings.c.id).where(buildings.c.code.in_(codes)))
    return dict(found.all())


async def room_ids(tx: AsyncSession, given: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The rooms by building and number; those that are new are made."""
    if not given:
        return {}
    await tx.execute(insert(rooms).on_conflict_do_nothing(), given)
    places = [(room["building_id"], room["number"]) for room in given]
    found = await tx.execute(
        sa.select(rooms.c.building_id, rooms.c.number, rooms.c.id).where(
            sa.tuple_(rooms.c.building_id, rooms.c.number).in_(places)
        )
    )
    return {(building_id, number): room_id for building_id, number, room_id in found}


async def keep_versions(tx: AsyncSession, changed: Sequence[sa.RowMapping], now: datetime) -> None:
    if changed:
        kept = [column.name for column in versions.c if column.name in leases.c]
        rows = [{name: row[name] for name in kept} | {"lease_id": row["id"], "known_from": now} for row in changed]
        await tx.execute(sa.insert(versions), rows)
