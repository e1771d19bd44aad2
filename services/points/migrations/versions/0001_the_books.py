"""Entries that nobody can change, what is kept beside them, holds and grants; what every context keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.chassis.schema import INSTANT, Schema, filled, maybe

revision = "0001"
down_revision = None

_SCHEMA = Schema("points")

_MEMBER = "points.balances.member_id"


def upgrade() -> None:
    _balances()
    _lots()
    _entries()
    _activities()
    _holds()
    _grants()
    _SCHEMA.chassis_tables()
    _nothing_is_undone()


def _balances() -> None:
    _SCHEMA.table(
        "balances",
        sa.Column("member_id", sa.Text, primary_key=True),
        *(filled(account, sa.BigInteger) for account in ("available", "held", "pending", "debt")),
        maybe("normal_last_day", sa.Date),
        maybe("normal_until", INSTANT),
        filled("expiring", sa.Boolean),
        sa.CheckConstraint("available >= 0 and held >= 0 and pending >= 0 and debt >= 0", name="balances_not_negative"),
        sa.CheckConstraint("(normal_until is null) = (normal_last_day is null)", name="balances_term_whole"),
    )
    _SCHEMA.index("balances_expiring", "balances", "normal_until", where="expiring")
    # Room on each page for the next version of its rows: a balance changes with every entry.
    op.execute("ALTER TABLE points.balances SET (fillfactor = 70)")


def _lots() -> None:
    _SCHEMA.table(
        "lots",
        sa.Column("lot_id", sa.Text, primary_key=True),
        filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        filled("kind"),
        filled("points", sa.BigInteger),
        filled("remaining", sa.BigInteger),
        maybe("order_id"),
        maybe("campaign_id"),
        maybe("last_day", sa.Date),
        maybe("expires_at", INSTANT),
        filled("granted_at", INSTANT),
        sa.Column("spendable", sa.Boolean, sa.Computed("remaining > 0", persisted=True)),
        sa.CheckConstraint("points > 0 and remaining between 0 and points", name="lots_remaining"),
        sa.CheckConstraint("kind in ('normal', 'limited')", name="lots_kind"),
        sa.CheckConstraint("(kind = 'limited') = (expires_at is not null)", name="lots_limited_end"),
        sa.CheckConstraint("(expires_at is null) = (last_day is null)", name="lots_term_whole"),
    )
    _SCHEMA.index("lots_spendable", "lots", "member_id", where="spendable")
    _SCHEMA.index("lots_expiring", "lots", "expires_at", where="spendable and expires_at is not null")
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
    _SCHEMA.table(
        "entries",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("entry_id", sa.Uuid, server_default=sa.text("uuidv7()"), nullable=False),
        filled("posted_at", INSTANT),
        filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        filled("kind"),
        filled("debit"),
        filled("credit"),
        filled("points", sa.BigInteger),
        maybe("lot_id", sa.Text, sa.ForeignKey("points.lots.lot_id")),
        maybe("order_id"),
        maybe("attempt", sa.BigInteger),
        maybe("part_id"),
        maybe("follows", sa.BigInteger, sa.ForeignKey("points.entries.position")),
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
    _SCHEMA.index("entries_of_member", "entries", "member_id", sa.text("position desc"))
    _SCHEMA.index("entries_of_order", "entries", "order_id", where="order_id is not null")
    _SCHEMA.index("entries_hold_ends_once", "entries", "follows", where="debit = 'held'", unique=True)
    of_an_order = "debit = 'pending' and credit = 'available'"
    _SCHEMA.index("entries_grant_once", "entries", "order_id", where=of_an_order, unique=True)


def _activities() -> None:
    _SCHEMA.table(
        "activities",
        filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        filled("ref"),
        filled("kind"),
        filled("happened_at", INSTANT),
        filled("last_day", sa.Date),
        filled("until", INSTANT),
        maybe("cancelled_at", INSTANT),
        sa.PrimaryKeyConstraint("member_id", "ref", "kind"),
        sa.CheckConstraint("kind in ('order', 'redemption')", name="activities_kind"),
    )


def _holds() -> None:
    _SCHEMA.table(
        "holds",
        filled("order_id"),
        filled("attempt", sa.BigInteger),
        filled("hold_id"),
        maybe("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        filled("held_at", INSTANT),
        maybe("keeps_last_day", sa.Date),
        maybe("keeps_until", INSTANT),
        sa.PrimaryKeyConstraint("order_id", "attempt"),
        sa.CheckConstraint("(member_id is null) = (keeps_until is null)", name="holds_made_or_never"),
        sa.CheckConstraint("(keeps_until is null) = (keeps_last_day is null)", name="holds_term_whole"),
    )
    _SCHEMA.table(
        "hold_parts",
        filled("order_id"),
        filled("attempt", sa.BigInteger),
        filled("part_id"),
        filled("points", sa.BigInteger),
        filled("yen", sa.BigInteger),
        filled("state"),
        maybe("decided_at", INSTANT),
        filled("given_back", sa.BigInteger),
        filled("reissue", sa.Boolean),
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
    _SCHEMA.table(
        "grants",
        sa.Column("order_id", sa.Text, primary_key=True),
        filled("member_id", sa.Text, sa.ForeignKey(_MEMBER)),
        filled("state"),
        *(filled(name, sa.BigInteger) for name in ("amount", "points", "reversed")),
        filled("rules_version"),
        *(filled(name, sa.Integer) for name in ("yen_per_point", "claim_days", "presumed_arrival_days")),
        filled("placed_at", INSTANT),
        maybe("dispatched_at", INSTANT),
        maybe("delivered_at", INSTANT),
        maybe("due_at", INSTANT),
        maybe("due_on", sa.Date),
        maybe("decided_at", INSTANT),
        sa.CheckConstraint("state in ('pending', 'granted', 'cancelled')", name="grants_state"),
        sa.CheckConstraint("amount >= 0 and points >= 0 and reversed between 0 and points", name="grants_amounts"),
        sa.CheckConstraint("yen_per_point > 0 and claim_days > 0 and presumed_arrival_days > 0", name="grants_rules"),
        sa.CheckConstraint("(due_at is null) = (due_on is null)", name="grants_due_whole"),
        sa.CheckConstraint("(state = 'pending') = (decided_at is null)", name="grants_decided"),
    )
    _SCHEMA.index("grants_pending", "grants", "member_id", "due_on", where="state = 'pending'")
    _SCHEMA.table(
        "actions",
        sa.Column("action_id", sa.Text, primary_key=True),
        *(filled(name) for name in ("order_id", "operator", "action", "reason")),
        filled("acted_at", INSTANT),
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
