"""Entries that nobody can change, what is kept beside them, holds and grants; what every context keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_INSTANT = sa.DateTime(timezone=True)
_MEMBER = "points.balances.member_id"


def upgrade() -> None:
    _balances()
    _lots()
    _entries()
    _activities()
    _holds()
    _grants()
    _chassis()
    _nothing_is_undone()


def _table(name: str, *parts: Any, **more: Any) -> None:
    op.create_table(name, *parts, schema="points", **more)


def _index(name: str, table: str, *columns: Any, where: str | None = None, unique: bool = False) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), schema="points", unique=unique, postgresql_where=condition)


def _filled(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False)


def _maybe(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=True)


def _balances() -> None:
    _table(
        "balances",
        sa.Column("member_id", sa.Text, primary_key=True),
        *(_filled(account, sa.BigInteger) for account in ("available", "held", "pending", "debt")),
        _maybe("normal_last_day", sa.Date),
        _maybe("normal_until", _INSTANT),
        _filled("expiring", sa.Boolean),
        sa.CheckConstraint("available >= 0 and held >= 0 and pending >= 0 and debt >= 0", name="balances_not_negative"),
        sa.CheckConstraint("(normal_until is null) = (normal_last_day is null)", name="balances_term_whole"),
    )
    _index("balances_expiring", "balances", "normal_until", where="expiring")
    # Room on each page for the next version of its rows: a balance changes with every entry.
    op.execute("ALTER TABLE points.balances SET (fillfactor = 70)")


def _lots() -> None:
    _table(
        "lots",
        sa.Column("lot_id", sa.Text, primary_key=True),
        _filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        _filled("kind"),
        _filled("points", sa.BigInteger),
        _filled("remaining", sa.BigInteger),
        _maybe("order_id"),
        _maybe("campaign_id"),
        _maybe("last_day", sa.Date),
        _maybe("expires_at", _INSTANT),
        _filled("granted_at", _INSTANT),
        sa.Column("spendable", sa.Boolean, sa.Computed("remaining > 0", persisted=True)),
        sa.CheckConstraint("points > 0 and remaining between 0 and points", name="lots_remaining"),
        sa.CheckConstraint("kind in ('normal', 'limited')", name="lots_kind"),
        sa.CheckConstraint("(kind = 'limited') = (expires_at is not null)", name="lots_limited_end"),
        sa.CheckConstraint("(expires_at is null) = (last_day is null)", name="lots_term_whole"),
    )
    _index("lots_spendable", "lots", "member_id", where="spendable")
    _index("lots_expiring", "lots", "expires_at", where="spendable and expires_at is not null")
    op.execute("ALTER TABLE points.lots SET (fillfactor = 80)")


_MOVES = """(kind, debit, credit) in (
    ('pending', 'issued', 'pending'), ('pending-ended', 'pending', 'issued'),
    ('granted', 'pending', 'available'), ('granted', 'issued', 'available'),
    ('held', 'available', 'held'), ('released', 'held', 'available'), ('spent', 'held', 'spent'),
    ('given-back', 'spent', 'available'),
    ('lapsed', 'available', 'lapsed'), ('reissued', 'lapsed', 'available'),
    ('reversed', 'available', 'issued'), ('owed', 'debt', 'issued'), ('repaid', 'available', 'debt')
)"""


def _entries() -> None:
    _table(
        "entries",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("entry_id", sa.Uuid, server_default=sa.text("uuidv7()"), nullable=False),
        _filled("posted_at", _INSTANT),
        _filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        _filled("kind"),
        _filled("debit"),
        _filled("credit"),
        _filled("points", sa.BigInteger),
        _maybe("lot_id", sa.Text, sa.ForeignKey("points.lots.lot_id")),
        _maybe("order_id"),
        _maybe("attempt", sa.BigInteger),
        _maybe("part_id"),
        _maybe("follows", sa.BigInteger, sa.ForeignKey("points.entries.position")),
        sa.UniqueConstraint("entry_id", name="entries_entry_id"),
        sa.CheckConstraint("points > 0", name="entries_positive"),
        sa.CheckConstraint(_MOVES, name="entries_moves"),
        sa.CheckConstraint("lot_id is not null or kind in ('pending', 'pending-ended')", name="entries_name_their_lot"),
        sa.CheckConstraint(
            "follows is not null or kind not in ('released', 'spent', 'given-back', 'reversed', 'owed')",
            name="entries_name_what_they_end",
        ),
        sa.CheckConstraint(
            "part_id is not null or kind not in ('held', 'released', 'spent', 'given-back')",
            name="entries_name_their_part",
        ),
    )
    _index("entries_of_member", "entries", "member_id", sa.text("position desc"))
    _index("entries_of_order", "entries", "order_id", where="order_id is not null")
    _index("entries_hold_ends_once", "entries", "follows", where="debit = 'held'", unique=True)
    of_an_order = "debit = 'pending' and credit = 'available'"
    _index("entries_grant_once", "entries", "order_id", where=of_an_order, unique=True)


def _activities() -> None:
    _table(
        "activities",
        _filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        _filled("ref"),
        _filled("kind"),
        _filled("happened_at", _INSTANT),
        _filled("last_day", sa.Date),
        _filled("until", _INSTANT),
        _maybe("cancelled_at", _INSTANT),
        sa.PrimaryKeyConstraint("member_id", "ref", "kind"),
        sa.CheckConstraint("kind in ('order', 'redemption')", name="activities_kind"),
    )


def _holds() -> None:
    _table(
        "holds",
        _filled("order_id"),
        _filled("attempt", sa.BigInteger),
        _filled("hold_id"),
        _maybe("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        _filled("held_at", _INSTANT),
        _maybe("keeps_last_day", sa.Date),
        _maybe("keeps_until", _INSTANT),
        sa.PrimaryKeyConstraint("order_id", "attempt"),
        sa.CheckConstraint("(member_id is null) = (keeps_until is null)", name="holds_made_or_never"),
        sa.CheckConstraint("(keeps_until is null) = (keeps_last_day is null)", name="holds_term_whole"),
    )
    _table(
        "hold_parts",
        _filled("order_id"),
        _filled("attempt", sa.BigInteger),
        _filled("part_id"),
        _filled("points", sa.BigInteger),
        _filled("yen", sa.BigInteger),
        _filled("state"),
        _maybe("decided_at", _INSTANT),
        _filled("given_back", sa.BigInteger),
        _filled("reissue", sa.Boolean),
        sa.PrimaryKeyConstraint("order_id", "attempt", "part_id"),
        sa.ForeignKeyConstraint(["order_id", "attempt"], ["points.holds.order_id", "points.holds.attempt"]),
        sa.CheckConstraint("points > 0 and yen >= 0", name="hold_parts_positive"),
        sa.CheckConstraint("state in ('held', 'captured', 'released')", name="hold_parts_state"),
        sa.CheckConstraint("(state = 'held') = (decided_at is null)", name="hold_parts_decided"),
        sa.CheckConstraint(
            "given_back between 0 and points and (given_back = 0 or state = 'captured')", name="hold_parts_given_back"
        ),
    )
    op.execute("ALTER TABLE points.hold_parts SET (fillfactor = 80)")


def _grants() -> None:
    _table(
        "grants",
        sa.Column("order_id", sa.Text, primary_key=True),
        _filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        _filled("state"),
        *(_filled(name, sa.BigInteger) for name in ("amount", "points", "reversed")),
        _filled("rules_version"),
        *(_filled(name, sa.Integer) for name in ("yen_per_point", "claim_days", "presumed_arrival_days")),
        _filled("placed_at", _INSTANT),
        _maybe("dispatched_at", _INSTANT),
        _maybe("delivered_at", _INSTANT),
        _maybe("due_at", _INSTANT),
        _maybe("due_on", sa.Date),
        _maybe("decided_at", _INSTANT),
        sa.CheckConstraint("state in ('pending', 'granted', 'cancelled')", name="grants_state"),
        sa.CheckConstraint("amount >= 0 and points >= 0 and reversed between 0 and points", name="grants_amounts"),
        sa.CheckConstraint("yen_per_point > 0 and claim_days > 0 and presumed_arrival_days > 0", name="grants_rules"),
        sa.CheckConstraint("(due_at is null) = (due_on is null)", name="grants_due_whole"),
        sa.CheckConstraint("(state = 'pending') = (decided_at is null)", name="grants_decided"),
    )
    _index("grants_pending", "grants", "member_id", "due_on", where="state = 'pending'")
    _table(
        "actions",
        sa.Column("action_id", sa.Text, primary_key=True),
        *(_filled(name) for name in ("order_id", "operator", "action", "reason")),
        _filled("acted_at", _INSTANT),
    )


def _chassis() -> None:
    _table(
        "requests",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("principal", "command", "request_id")),
        _filled("digest", sa.LargeBinary),
        _filled("answer", sa.LargeBinary),
        _filled("asked_at", _INSTANT),
    )
    _table(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        *(_filled(name) for name in ("kind", "message_id", "aggregate_id")),
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
    _index("outbox_waiting", "outbox", "kind", "position", where="handed_on_at is null")
    _table(
        "inbox",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("consumer", "source", "aggregate_id")),
        _filled("version", sa.BigInteger),
        _filled("taken_at", _INSTANT),
    )


def _nothing_is_undone() -> None:
    """Entries are only added: the service's role has no other right, and a trigger stops every other role."""
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON points.entries FROM points")
    op.execute("REVOKE DELETE ON points.balances, points.lots, points.holds, points.hold_parts FROM points")
    op.execute("REVOKE DELETE ON points.grants, points.activities FROM points")
    op.execute("REVOKE UPDATE, DELETE ON points.actions FROM points")
    op.execute("""
CREATE FUNCTION points.refuse_to_rewrite_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are only added: post one that undoes the other' USING ERRCODE = 'restrict_violation';
END $$""")
    op.execute("""
CREATE TRIGGER entries_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON points.entries
FOR EACH STATEMENT EXECUTE FUNCTION points.refuse_to_rewrite_entries()""")
