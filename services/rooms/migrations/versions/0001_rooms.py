"""Buildings, rooms and leases; code pairs; who belongs to a room; claims to a seat; what every context keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _lets()
    _codes()
    _members()
    _chassis()


def _create(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema="rooms")


def _id(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _of(thing: str, column: str, **more: Any) -> sa.Column[str]:
    return sa.Column(column, sa.Text, sa.ForeignKey(f"rooms.{thing}.id"), **{"nullable": False, **more})


def _filled(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _maybe(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _lets() -> None:
    _create(
        "buildings",
        _id(),
        _filled("code"),
        _filled("version", sa.BigInteger),
        *map(_filled, ("name", "postal_code", "prefecture", "city", "street")),
        _filled("e_touch", sa.Boolean),
        _filled("contact_phone"),
        sa.UniqueConstraint("code", name="buildings_code"),
        sa.CheckConstraint("version > 0", name="buildings_version"),
    )
    _create(
        "rooms",
        _id(),
        _of("buildings", "building_id"),
        _filled("number"),
        sa.UniqueConstraint("building_id", "number", name="rooms_number"),
    )
    _create(
        "leases",
        _id(),
        _filled("code"),
        _of("rooms", "room_id"),
        _filled("version", sa.BigInteger),
        _filled("corporate", sa.Boolean),
        _filled("contractor_name"),
        _filled("contractor_kana"),
        _filled("starts_on", sa.Date),
        _maybe("ends_on", sa.Date),
        sa.UniqueConstraint("code", name="leases_code"),
        sa.CheckConstraint("version > 0", name="leases_version"),
    )
    op.create_index("leases_of_room", "leases", ["room_id"], schema="rooms")
    _create(
        "lease_versions",
        _of("leases", "lease_id", primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True),
        _of("rooms", "room_id"),
        _filled("corporate", sa.Boolean),
        _filled("starts_on", sa.Date),
        _maybe("ends_on", sa.Date),
        _filled("known_from", _INSTANT),
    )
    op.create_index("lease_versions_of_room", "lease_versions", ["room_id"], schema="rooms")
    op.execute("revoke update, delete on rooms.lease_versions from rooms")


def _codes() -> None:
    _create(
        "issued_codes",
        _id("digest1"),
        _filled("digest2"),
        _of("leases", "lease_id"),
        _filled("issued_at", _INSTANT),
        _maybe("died_at", _INSTANT),
    )
    _unique("issued_codes_live", "issued_codes", ["lease_id"], "died_at is null")
    _create(
        "wrong_codes",
        _id("scope"),
        _id("digest"),
        _filled("count", sa.Integer),
        _filled("until", _INSTANT),
    )
    op.create_index("wrong_codes_until", "wrong_codes", ["until"], schema="rooms")


def _members() -> None:
    _create(
        "memberships",
        _id(),
        _of("leases", "lease_id"),
        _filled("member_id"),
        _filled("contractor", sa.Boolean),
        _filled("registered_at", _INSTANT),
        _maybe("removed_at", _INSTANT),
        _maybe("removed_by"),
        sa.CheckConstraint("(removed_at is null) = (removed_by is null)", name="memberships_removed"),
    )
    op.create_index("memberships_of_lease", "memberships", ["lease_id"], schema="rooms")
    _unique("memberships_one_contractor", "memberships", ["lease_id"], "contractor and removed_at is null")
    _unique("memberships_once", "memberships", ["member_id", "lease_id"], "removed_at is null")
    op.execute("revoke delete on rooms.memberships from rooms")
    _create(
        "conflicts",
        _id(),
        _of("leases", "lease_id"),
        _filled("claimant_id"),
        _filled("holder_id"),
        _filled("opened_at", _INSTANT),
        _maybe("outcome"),
        _maybe("settled_at", _INSTANT),
        _maybe("settled_by"),
        _maybe("reason"),
        sa.CheckConstraint(
            "(outcome is null) = (settled_at is null) and (outcome is null) = (settled_by is null)",
            name="conflicts_settled",
        ),
        sa.CheckConstraint("outcome in ('released', 'granted', 'refused')", name="conflicts_outcome"),
    )
    _unique("conflicts_open_once", "conflicts", ["lease_id", "claimant_id"], "outcome is null")


def _chassis() -> None:
    _create(
        "requests",
        *map(_id, ("principal", "command", "request_id")),
        _filled("digest", sa.LargeBinary),
        _filled("answer", sa.LargeBinary),
        _filled("asked_at", _INSTANT),
    )
    _create(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        *map(_filled, ("kind", "message_id", "aggregate_id")),
        _maybe("aggregate_version", sa.BigInteger),
        _filled("subject"),
        _maybe("payload", sa.LargeBinary),
        _maybe("line", JSONB),
        _filled("written_at", _INSTANT),
        _maybe("claimed_until", _INSTANT),
        _maybe("handed_on_at", _INSTANT),
        sa.CheckConstraint("kind in ('event', 'process')", name="outbox_kind"),
        sa.UniqueConstraint("message_id", name="outbox_message_id"),
        sa.UniqueConstraint("aggregate_id", "aggregate_version", name="outbox_aggregate_order"),
    )
    waiting = sa.text("handed_on_at is null")
    op.create_index("outbox_waiting", "outbox", ["kind", "position"], schema="rooms", postgresql_where=waiting)
    _create(
        "inbox",
        *map(_id, ("consumer", "source", "aggregate_id")),
        _filled("version", sa.BigInteger),
        _filled("taken_at", _INSTANT),
    )


def _unique(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, unique=True, schema="rooms", postgresql_where=sa.text(where))
