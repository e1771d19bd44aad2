"""Statements on who belongs to a room, and the one that says what a member has there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.jst import jst_date
from services.chassis.pages import Page
from services.rooms.leases.repository import Columns, buildings, leases, over, rooms, versions
from services.rooms.members.models import Membership, Place

members = Membership.table()
Rows = sa.Select[*tuple[Any, ...]]
Which = sa.ColumnElement[bool]
"""Which registrations a statement is about."""
_alive = members.c.removed_at.is_(None)


def _contractor_left(lived: sa.ColumnElement[bool], contractors: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a member's access is suspended, since the lease has no registered contractor (RM-21)."""
    registered = sa.exists().where(contractors.c.lease_id == members.c.lease_id, contractors.c.contractor, lived)
    return sa.and_(~members.c.contractor, ~registered)


def _places(day: date | sa.BindParameter[date]) -> Rows:
    """Everybody's living places, as `Place` wants them."""
    later, contractors = leases.alias(), members.alias()
    return (
        sa.select(
            members.c.id.label("membership_id"),
            members.c.contractor,
            members.c.registered_at,
            leases.c.room_id,
            leases.c.id.label("lease_id"),
            leases.c.version.label("lease_version"),
            leases.c.corporate,
            leases.c.starts_on.label("lease_starts_on"),
            leases.c.ends_on.label("lease_ends_on"),
            over(leases.c, later.c, day).label("over"),
            (leases.c.starts_on <= day).label("begun"),
            _contractor_left(contractors.c.removed_at.is_(None), contractors).label("contractor_left"),
            rooms.c.number.label("room_number"),
            buildings.c.code.label("building_code"),
            buildings.c.name.label("building_name"),
            *buildings.c["postal_code", "prefecture", "city", "street", "e_touch", "contact_phone"],
        )
        .select_from(members)
        .join(leases, leases.c.id == members.c.lease_id)
        .join(rooms, rooms.c.id == leases.c.room_id)
        .join(buildings, buildings.c.id == rooms.c.building_id)
        .where(_alive)
    )


# The hot query (RM-05): putting it together costs more than running it, so that is done once.
_PLACE = (
    _places(sa.bindparam("day", type_=sa.Date))
    .where(members.c.member_id == sa.bindparam("member_id"), leases.c.room_id == sa.bindparam("room_id"))
    .order_by("over", "contractor_left", sa.desc("begun"), leases.c.starts_on.desc())
    .limit(1)
)


async def place(session: AsyncSession, member_id: str, room_id: str, day: date) -> Place | None:
    """What a member has in a room: of several leases there the one that gives most."""
    asked = {"member_id": member_id, "room_id": room_id, "day": day}
    row = (await session.execute(_PLACE, asked)).mappings().one_or_none()
    return Place.model_validate(dict(row)) if row else None


async def places(session: AsyncSession, member_id: str, day: date, page: Page) -> list[Place]:
    """A page of the rooms that a member has access to, each once, newest first."""
    mine = _places(day).where(members.c.member_id == member_id)
    best = (
        mine.ext(distinct_on(leases.c.room_id))
        .order_by(leases.c.room_id, "over", "contractor_left", sa.desc("begun"), leases.c.starts_on.desc())
        .subquery()
    )
    opened = sa.select(best).where(~best.c.over, ~best.c.contractor_left)
    found = await session.execute(page.of(opened, best.c.membership_id))
    return [Place.model_validate(dict(row)) for row in found.mappings()]


async def household(session: AsyncSession, lease_id: str, member_id: str | None, page: Page) -> Sequence[sa.RowMapping]:
    """A page of who is registered under a lease, newest first; one of them where a member is named."""
    found = (
        sa.select(members, leases.c.corporate)
        .join(leases, leases.c.id == members.c.lease_id)
        .where(members.c.lease_id == lease_id, _alive)
    )
    if member_id is not None:
        found = found.where(members.c.member_id == member_id)
    return await _page(session, found, page)


async def contractor(session: AsyncSession, room_id: str, day: date) -> str | None:
    """The member who is registered as contractor of the lease that runs in a room on a day."""
    later = leases.alias()
    found = (
        sa.select(members.c.member_id)
        .join(leases, leases.c.id == members.c.lease_id)
        .where(leases.c.room_id == room_id, leases.c.starts_on <= day, ~over(leases.c, later.c, day))
        .where(_alive, members.c.contractor)
    )
    return (await session.execute(found)).scalar_one_or_none()


async def lock_room(tx: AsyncSession, room_id: str) -> None:
    """Whoever else changes who belongs to the room waits."""
    found = sa.select(leases.c.id).where(leases.c.room_id == room_id).order_by(leases.c.id)
    await tx.execute(found.with_for_update(key_share=True))


async def ruled_leases(tx: AsyncSession, member_id: str, room_id: str, day: date) -> list[str]:
    """The leases of a room whose contractor a member is, with access."""
    later = leases.alias()
    found = (
        sa.select(leases.c.id)
        .join(members, members.c.lease_id == leases.c.id)
        .where(leases.c.room_id == room_id, members.c.member_id == member_id, _alive, members.c.contractor)
        .where(~over(leases.c, later.c, day))
    )
    return list((await tx.execute(found)).scalars())


async def living(tx: AsyncSession, lease_ids: Collection[str]) -> Sequence[sa.RowMapping]:
    """Who is registered under some leases."""
    found = sa.select(*members.c["lease_id", "member_id", "contractor"])
    return (await tx.execute(found.where(members.c.lease_id.in_(lease_ids), _alive))).mappings().all()


async def add(tx: AsyncSession, membership: Membership) -> bool:
    """Registers a member. Returns false when the contractor's seat, or the member's own place, is taken."""
    added = insert(members).values(membership.model_dump()).on_conflict_do_nothing()
    return (await tx.execute(added.returning(members.c.id))).first() is not None


def named(room_id: str, member_ids: Collection[str]) -> Which:
    """The registrations of these members in a room."""
    in_room = members.c.lease_id.in_(sa.select(leases.c.id).where(leases.c.room_id == room_id))
    return sa.and_(in_room, members.c.member_id.in_(member_ids))


def within_reach(which: Which, member_id: str, ruled: Collection[str]) -> Which:
    """Of those, a member's own and those under the leases whose contractor the member is."""
    return sa.and_(which, sa.or_(members.c.member_id == member_id, members.c.lease_id.in_(ruled)))


def seat_of(lease_id: str, member_id: str) -> Which:
    """A lease's contractor, and whatever place the member has there."""
    return sa.and_(members.c.lease_id == lease_id, sa.or_(members.c.contractor, members.c.member_id == member_id))


async def end(tx: AsyncSession, which: Which, now: datetime, ended_by: str) -> Sequence[sa.RowMapping]:
    """Ends the living registrations that `which` finds. Returns them."""
    ended = sa.update(members).where(_alive, which).values(removed_at=now, removed_by=ended_by)
    return (await tx.execute(ended.returning(*members.c["lease_id", "member_id", "contractor"]))).mappings().all()


async def registrations(session: AsyncSession, room_id: str, page: Page) -> Sequence[sa.RowMapping]:
    """A page of all registrations of a room, also those that were ended, newest first (RM-23)."""
    return await _page(session, _history(leases, leases.c.room_id == room_id), page)


async def accesses(session: AsyncSession, room_id: str, at: datetime, page: Page) -> Sequence[sa.RowMapping]:
    """A page of those who had access to a room at an instant, by what was known of its leases then (RM-23)."""
    touched = sa.select(versions.c.lease_id).where(versions.c.room_id == room_id)
    known = (
        sa.select(
            versions.c.lease_id.label("id"), leases.c.code, *versions.c["room_id", "corporate", "starts_on", "ends_on"]
        )
        .join(leases, leases.c.id == versions.c.lease_id)
        .ext(distinct_on(versions.c.lease_id))
        .where(versions.c.lease_id.in_(touched), versions.c.known_from <= at)
        .order_by(versions.c.lease_id, versions.c.version.desc())
        .cte("known")
    )
    lease, later, contractors = known.alias(), known.alias(), members.alias()
    had_access = sa.and_(
        lease.c.room_id == room_id,
        _lived(members.c, at),
        ~over(lease.c, later.c, jst_date(at)),
        ~_contractor_left(_lived(contractors.c, at), contractors),
    )
    return await _page(session, _history(lease, had_access), page)


def _history(lease: sa.FromClause, condition: sa.ColumnElement[bool]) -> Rows:
    found = sa.select(members, lease.c.code.label("lease_code"), lease.c.corporate)
    return found.join(lease, lease.c.id == members.c.lease_id).where(condition)


def _lived(member: Columns, at: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(member.registered_at <= at, sa.or_(member.removed_at.is_(None), member.removed_at > at))


async def _page(session: AsyncSession, found: Rows, page: Page) -> Sequence[sa.RowMapping]:
    rows: Sequence[sa.RowMapping] = (await session.execute(page.of(found, members.c.id))).mappings().all()
    return rows
