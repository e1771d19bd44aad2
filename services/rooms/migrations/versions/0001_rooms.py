"""Buildings, rooms and leases; code pairs; who belongs to a room; claims to a seat; what every context keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.chassis.schema import INSTANT, Schema, filled, key, maybe

revision = "0001"
down_revision = None

_SCHEMA = Schema("rooms")


def upgrade() -> None:
    _lets()
    _codes()
    _members()
    _SCHEMA.chassis_tables()


def _of(thing: str, column: str, **more: Any) -> sa.Column[str]:
    return sa.Column(column, sa.Text, sa.ForeignKey(f"rooms.{thing}.id"), **{"nullable": False, **more})


def _lets() -> None:
    _SCHEMA.table(
        "buildings",
        key("id"),
        filled("code"),
        filled("version", sa.BigInteger),
        *map(filled, ("name", "postal_code", "prefecture", "city", "street")),
        filled("e_touch", sa.Boolean),
        filled("contact_phone"),
        sa.UniqueConstraint("code", name="buildings_code"),
        sa.CheckConstraint("version > 0", name="buildings_version"),
    )
    _SCHEMA.table(
        "rooms",
        key("id"),
        _of("buildings", "building_id"),
        filled("number"),
        sa.UniqueConstraint("building_id", "number", name="rooms_number"),
    )
    _SCHEMA.table(
        "leases",
        key("id"),
        filled("code"),
        _of("rooms", "room_id"),
        filled("version", sa.BigInteger),
        filled("corporate", sa.Boolean),
        filled("contractor_name"),
        filled("contractor_kana"),
        filled("starts_on", sa.Date),
        maybe("ends_on", sa.Date),
        sa.UniqueConstraint("code", name="leases_code"),
        sa.CheckConstraint("version > 0", name="leases_version"),
    )
    op.create_index("leases_of_room", "leases", ["room_id"], schema="rooms")
    _SCHEMA.table(
        "lease_versions",
        _of("leases", "lease_id", primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True),
        _of("rooms", "room_id"),
        filled("corporate", sa.Boolean),
        filled("starts_on", sa.Date),
        maybe("ends_on", sa.Date),
        filled("known_from", INSTANT),
    )
    op.create_index("lease_versions_of_room", "lease_versions", ["room_id"], schema="rooms")
    op.execute("revoke update, delete on rooms.lease_versions from rooms")


def _codes() -> None:
    _SCHEMA.table(
        "issued_codes",
        key("digest1"),
        filled("digest2"),
        _of("leases", "lease_id"),
        filled("issued_at", INSTANT),
        maybe("died_at", INSTANT),
    )
    _SCHEMA.index("issued_codes_live", "issued_codes", "lease_id", where="died_at is null", unique=True)
    _SCHEMA.table(
        "wrong_codes",
        key("scope"),
        key("digest"),
        filled("count", sa.Integer),
        filled("until", INSTANT),
    )
    op.create_index("wrong_codes_until", "wrong_codes", ["until"], schema="rooms")


def _members() -> None:
    _SCHEMA.table(
        "memberships",
        key("id"),
        _of("leases", "lease_id"),
        filled("member_id"),
        filled("contractor", sa.Boolean),
        filled("registered_at", INSTANT),
        maybe("removed_at", INSTANT),
        maybe("removed_by"),
        sa.CheckConstraint("(removed_at is null) = (removed_by is null)", name="memberships_removed"),
    )
    op.create_index("memberships_of_lease", "memberships", ["lease_id"], schema="rooms")
    _SCHEMA.index(
        "memberships_one_contractor", "memberships", "lease_id", where="contractor and removed_at is null", unique=True
    )
    _SCHEMA.index("memberships_once", "memberships", "member_id", "lease_id", where="removed_at is null", unique=True)
    op.execute("revoke delete on rooms.memberships from rooms")
    _SCHEMA.table(
        "conflicts",
        key("id"),
        _of("leases", "lease_id"),
        filled("claimant_id"),
        filled("holder_id"),
        filled("opened_at", INSTANT),
        maybe("outcome"),
        maybe("settled_at", INSTANT),
        maybe("settled_by"),
        maybe("reason"),
        sa.CheckConstraint(
            "(outcome is null) = (settled_at is null) and (outcome is null) = (settled_by is null)",
            name="conflicts_settled",
        ),
        sa.CheckConstraint("outcome in ('released', 'granted', 'refused')", name="conflicts_outcome"),
    )
    _SCHEMA.index("conflicts_open_once", "conflicts", "lease_id", "claimant_id", where="outcome is null", unique=True)
