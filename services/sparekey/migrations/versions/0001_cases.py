"""Cases and their timelines, key numbers, tries, calls to the maker, partners' words, the desk; the chassis' own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.chassis.schema import INSTANT, Schema, filled, key, maybe

revision = "0001"
down_revision = None

_SCHEMA = Schema("sparekey")

_ORDER = "sparekey.cases.order_id"
_STATES = (
    "draft",
    "placing",
    "checking",
    "number-asked",
    "accepted",
    "making",
    "ready",
    "cleared",
    "stopped",
    "released",
    "dispatched",
    "absent",
    "returned",
    "redelivery-requested",
    "redelivering",
    "handed-over",
    "lost",
    "cancelling",
    "cancelled",
    "destroyed",
)
_SCANS = (
    "accepted",
    "out_for_delivery",
    "absent",
    "held",
    "handed_over",
    "returned",
    "redirected",
    "refused",
    "lost",
    "collected",
)
_CALLS = ("check", "order", "remake", "release", "redeliver", "stop")


def upgrade() -> None:
    _cases()
    _numbers()
    _placements()
    _making()
    _words()
    _desk()
    _SCHEMA.chassis_tables()
    _nothing_is_rewritten()


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(word) for word in words)})"


def _cases() -> None:
    _SCHEMA.table(
        "cases",
        key("order_id"),
        *(filled(name) for name in ("member_id", "room_id", "contractor_id", "kind")),
        filled("quantity", sa.Integer),
        *(filled(name) for name in ("building_code", "building_name", "room_number")),
        filled("e_touch", sa.Boolean),
        filled("lease_version", sa.BigInteger),
        filled("notices_version"),
        filled("notices_language"),
        filled("notices_agreed_at", INSTANT),
        maybe("no_e_touch_agreed_at", INSTANT),
        maybe("number_id"),
        maybe("early_number_id"),
        filled("snapshot_hash"),
        maybe("wish_date", sa.Date),
        filled("wish_asked", sa.Boolean),
        *_where_it_stands(),
        *_what_happened(),
        sa.CheckConstraint("kind in ('normal', 'ic')", name="cases_kind"),
        sa.CheckConstraint(_one_of("state", _STATES), name="cases_state"),
        sa.CheckConstraint("quantity >= 1", name="cases_quantity"),
        sa.CheckConstraint("(state in ('draft', 'placing')) = (placed_at is null)", name="cases_placed"),
        sa.CheckConstraint("state = 'draft' or number_id is not null", name="cases_number"),
        sa.CheckConstraint("(remind_at is null) = (reminder = '')", name="cases_reminder"),
        sa.CheckConstraint("(state = 'stopped') <= (needs_operator <> '')", name="cases_stopped_needs_operator"),
    )
    _SCHEMA.index("cases_member", "cases", "member_id", "order_id")
    _SCHEMA.index("cases_needing", "cases", "order_id", where="needs_operator <> ''")
    _SCHEMA.index("cases_ended", "cases", "ended_at", where="ended_at is not null")
    _SCHEMA.index("cases_drafts", "cases", "touched_at", where="state = 'draft'")
    _SCHEMA.table(
        "timeline",
        key("position", sa.BigInteger, sa.Identity(always=True)),
        filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        filled("code"),
        filled("at", INSTANT),
        filled("params", JSONB),
    )
    _SCHEMA.index("timeline_order", "timeline", "order_id", "at")


def _where_it_stands() -> list[sa.Column[Any]]:
    return [
        filled("state"),
        filled("version", sa.BigInteger),
        filled("attempt", sa.Integer),
        filled("entered_at", INSTANT),
        filled("touched_at", INSTANT),
        *(maybe(name, INSTANT) for name in ("deadline", "patience_until", "remind_at")),
        filled("reminder"),
        filled("reminder_days", sa.Integer),
        filled("reason"),
        filled("needs_operator"),
        filled("frozen", sa.Boolean),
        filled("stopped_from"),
    ]


def _what_happened() -> list[sa.Column[Any]]:
    return [
        filled("check_round", sa.Integer),
        maybe("number_due_at", INSTANT),
        filled("making", sa.Integer),
        filled("remade_free", sa.Boolean),
        maybe("promised_on", sa.Date),
        filled("redelivery", sa.Integer),
        filled("tracking_number"),
        filled("carrier"),
        *(maybe(name, INSTANT) for name in ("dispatched_at", "last_scan_at", "absent_since")),
        maybe("returned_on", sa.Date),
        maybe("collected_at", INSTANT),
        maybe("destroyed_on", sa.Date),
        *(maybe(name, INSTANT) for name in ("not_mine_at", "redirect_at", "placed_at", "ended_at")),
    ]


def _numbers() -> None:
    _SCHEMA.table(
        "numbers",
        key("number_id"),
        filled("order_id", sa.Text, sa.ForeignKey(_ORDER, ondelete="CASCADE")),
        filled("source"),
        filled("entered_at", INSTANT),
        maybe("key_id"),
        *(maybe(name, sa.LargeBinary) for name in ("wrapped_key", "nonce", "ciphertext")),
        maybe("erased_at", INSTANT),
        sa.CheckConstraint("source in ('member', 'maker', 'desk')", name="numbers_source"),
        sa.CheckConstraint(
            "num_nonnulls(key_id, wrapped_key, nonce, ciphertext) = case when erased_at is null then 4 else 0 end",
            name="numbers_whole_or_erased",
        ),
    )
    _SCHEMA.index("numbers_order", "numbers", "order_id")
    _SCHEMA.index("numbers_living", "numbers", "key_id", where="erased_at is null")


def _placements() -> None:
    _SCHEMA.table(
        "placements",
        key("order_id", sa.Text, sa.ForeignKey(_ORDER, ondelete="CASCADE")),
        key("attempt", sa.Integer),
        *(filled(name) for name in ("snapshot_hash", "terms_version", "cancellation_version")),
        filled("agreed_at", INSTANT),
        *(filled(name) for name in ("outcome", "code", "order_number")),
        maybe("settled_at", INSTANT),
        sa.CheckConstraint("outcome in ('', 'placed', 'declined', 'refused')", name="placements_outcome"),
        sa.CheckConstraint("(outcome = '') = (settled_at is null)", name="placements_settled"),
    )


def _making() -> None:
    _SCHEMA.table(
        "calls",
        key("key"),
        filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        filled("verb"),
        filled("ordinal", sa.BigInteger),
        maybe("number_id"),
        filled("opened_at", INSTANT),
        filled("tries", sa.Integer),
        filled("problem"),
        maybe("asking_until", INSTANT),
        maybe("settled_at", INSTANT),
        filled("outcome"),
        sa.CheckConstraint(_one_of("verb", _CALLS), name="calls_verb"),
        sa.CheckConstraint("(settled_at is null) = (outcome = '')", name="calls_settled"),
        sa.UniqueConstraint("order_id", "verb", "ordinal", name="calls_once"),
    )
    _SCHEMA.index("calls_open", "calls", "opened_at", where="settled_at is null")
    _SCHEMA.table(
        "maker_checks",
        key("check_id"),
        filled("order_id"),
        maybe("check_round", sa.Integer),
        filled("result"),
        maybe("mailed_at", INSTANT),
        sa.CheckConstraint("result in ('', 'exists', 'unknown')", name="maker_checks_result"),
    )
    _SCHEMA.index("maker_checks_order", "maker_checks", "order_id")


def _words() -> None:
    _SCHEMA.table(
        "words",
        key("partner"),
        key("message_id"),
        filled("type"),
        filled("order_id"),
        filled("moved", sa.Boolean),
        filled("taken_at", INSTANT),
    )
    _SCHEMA.index("words_order", "words", "order_id")
    _SCHEMA.table(
        "scans",
        key("event_id"),
        filled("tracking_number"),
        filled("kind"),
        filled("occurred_at", INSTANT),
        filled("taken_at", INSTANT),
        sa.CheckConstraint(_one_of("kind", _SCANS), name="scans_kind"),
    )
    _SCHEMA.index("scans_parcel", "scans", "tracking_number")
    _SCHEMA.table("parcels", key("tracking_number"), filled("order_id"), maybe("returned_on", sa.Date))
    _SCHEMA.index("parcels_order", "parcels", "order_id")


def _desk() -> None:
    _SCHEMA.table(
        "desk_references",
        key("reference"),
        filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        filled("number_id", sa.Text, sa.ForeignKey("sparekey.numbers.number_id")),
        filled("operator"),
        filled("expires_at", INSTANT),
        maybe("used_at", INSTANT),
    )
    _SCHEMA.table(
        "approvals",
        key("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        key("action"),
        filled("operator"),
        filled("case_version", sa.BigInteger),
        filled("approved_at", INSTANT),
    )
    _SCHEMA.table(
        "audits",
        key("position", sa.BigInteger, sa.Identity(always=True)),
        filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        *(filled(name) for name in ("operator", "action", "reason")),
        filled("arguments", JSONB),
        filled("case_version", sa.BigInteger),
        filled("acted_at", INSTANT),
    )
    _SCHEMA.index("audits_order", "audits", "order_id")


def _nothing_is_rewritten() -> None:
    """What happened, who acted and what partners said is only ever added to (OP-02, SK-40)."""
    for table in ("timeline", "audits", "words", "scans"):
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON sparekey.{table} FROM sparekey")
