"""Cases and their timelines, key numbers, tries, calls to the maker, partners' words, the desk; the chassis' own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_INSTANT = sa.DateTime(timezone=True)
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
    _chassis()
    _nothing_is_rewritten()


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema="sparekey")


def _index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), schema="sparekey", postgresql_where=condition)


def _key(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, primary_key=True)


def _filled(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False)


def _maybe(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=True)


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(word) for word in words)})"


def _cases() -> None:
    _table(
        "cases",
        _key("order_id"),
        *(_filled(name) for name in ("member_id", "room_id", "contractor_id", "kind")),
        _filled("quantity", sa.Integer),
        *(_filled(name) for name in ("building_code", "building_name", "room_number")),
        _filled("e_touch", sa.Boolean),
        _filled("lease_version", sa.BigInteger),
        _filled("notices_version"),
        _filled("notices_language"),
        _filled("notices_agreed_at", _INSTANT),
        _maybe("no_e_touch_agreed_at", _INSTANT),
        _maybe("number_id"),
        _maybe("early_number_id"),
        _filled("snapshot_hash"),
        _maybe("wish_date", sa.Date),
        _filled("wish_asked", sa.Boolean),
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
    _index("cases_member", "cases", "member_id", "order_id")
    _index("cases_needing", "cases", "order_id", where="needs_operator <> ''")
    _index("cases_ended", "cases", "ended_at", where="ended_at is not null")
    _index("cases_drafts", "cases", "touched_at", where="state = 'draft'")
    _table(
        "timeline",
        _key("position", sa.BigInteger, sa.Identity(always=True)),
        _filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        _filled("code"),
        _filled("at", _INSTANT),
        _filled("params", JSONB),
    )
    _index("timeline_order", "timeline", "order_id", "at")


def _where_it_stands() -> list[sa.Column[Any]]:
    return [
        _filled("state"),
        _filled("version", sa.BigInteger),
        _filled("attempt", sa.Integer),
        _filled("entered_at", _INSTANT),
        _filled("touched_at", _INSTANT),
        *(_maybe(name, _INSTANT) for name in ("deadline", "patience_until", "remind_at")),
        _filled("reminder"),
        _filled("reminder_days", sa.Integer),
        _filled("reason"),
        _filled("needs_operator"),
        _filled("frozen", sa.Boolean),
        _filled("stopped_from"),
    ]


def _what_happened() -> list[sa.Column[Any]]:
    return [
        _filled("check_round", sa.Integer),
        _maybe("number_due_at", _INSTANT),
        _filled("making", sa.Integer),
        _filled("remade_free", sa.Boolean),
        _maybe("promised_on", sa.Date),
        _filled("redelivery", sa.Integer),
        _filled("tracking_number"),
        _filled("carrier"),
        *(_maybe(name, _INSTANT) for name in ("dispatched_at", "last_scan_at", "absent_since")),
        _maybe("returned_on", sa.Date),
        _maybe("collected_at", _INSTANT),
        _maybe("destroyed_on", sa.Date),
        *(_maybe(name, _INSTANT) for name in ("not_mine_at", "redirect_at", "placed_at", "ended_at")),
    ]


def _numbers() -> None:
    _table(
        "numbers",
        _key("number_id"),
        _filled("order_id", sa.Text, sa.ForeignKey(_ORDER, ondelete="CASCADE")),
        _filled("source"),
        _filled("entered_at", _INSTANT),
        _maybe("key_id"),
        *(_maybe(name, sa.LargeBinary) for name in ("wrapped_key", "nonce", "ciphertext")),
        _maybe("erased_at", _INSTANT),
        sa.CheckConstraint("source in ('member', 'maker', 'desk')", name="numbers_source"),
        sa.CheckConstraint(
            "num_nonnulls(key_id, wrapped_key, nonce, ciphertext) = case when erased_at is null then 4 else 0 end",
            name="numbers_whole_or_erased",
        ),
    )
    _index("numbers_order", "numbers", "order_id")
    _index("numbers_living", "numbers", "key_id", where="erased_at is null")


def _placements() -> None:
    _table(
        "placements",
        _key("order_id", sa.Text, sa.ForeignKey(_ORDER, ondelete="CASCADE")),
        _key("attempt", sa.Integer),
        *(_filled(name) for name in ("snapshot_hash", "terms_version", "cancellation_version")),
        _filled("agreed_at", _INSTANT),
        *(_filled(name) for name in ("outcome", "code", "order_number")),
        _maybe("settled_at", _INSTANT),
        sa.CheckConstraint("outcome in ('', 'placed', 'declined', 'refused')", name="placements_outcome"),
        sa.CheckConstraint("(outcome = '') = (settled_at is null)", name="placements_settled"),
    )


def _making() -> None:
    _table(
        "calls",
        _key("key"),
        _filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        _filled("verb"),
        _filled("ordinal", sa.BigInteger),
        _maybe("number_id"),
        _filled("opened_at", _INSTANT),
        _filled("tries", sa.Integer),
        _filled("problem"),
        _maybe("asking_until", _INSTANT),
        _maybe("settled_at", _INSTANT),
        _filled("outcome"),
        sa.CheckConstraint(_one_of("verb", _CALLS), name="calls_verb"),
        sa.CheckConstraint("(settled_at is null) = (outcome = '')", name="calls_settled"),
        sa.UniqueConstraint("order_id", "verb", "ordinal", name="calls_once"),
    )
    _index("calls_open", "calls", "opened_at", where="settled_at is null")
    _table(
        "maker_checks",
        _key("check_id"),
        _filled("order_id"),
        _maybe("check_round", sa.Integer),
        _filled("result"),
        _maybe("mailed_at", _INSTANT),
        sa.CheckConstraint("result in ('', 'exists', 'unknown')", name="maker_checks_result"),
    )
    _index("maker_checks_order", "maker_checks", "order_id")


def _words() -> None:
    _table(
        "words",
        _key("partner"),
        _key("message_id"),
        _filled("type"),
        _filled("order_id"),
        _filled("moved", sa.Boolean),
        _filled("taken_at", _INSTANT),
    )
    _index("words_order", "words", "order_id")
    _table(
        "scans",
        _key("event_id"),
        _filled("tracking_number"),
        _filled("kind"),
        _filled("occurred_at", _INSTANT),
        _filled("taken_at", _INSTANT),
        sa.CheckConstraint(_one_of("kind", _SCANS), name="scans_kind"),
    )
    _index("scans_parcel", "scans", "tracking_number")
    _table("parcels", _key("tracking_number"), _filled("order_id"), _maybe("returned_on", sa.Date))
    _index("parcels_order", "parcels", "order_id")


def _desk() -> None:
    _table(
        "desk_references",
        _key("reference"),
        _filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        _filled("number_id", sa.Text, sa.ForeignKey("sparekey.numbers.number_id")),
        _filled("operator"),
        _filled("expires_at", _INSTANT),
        _maybe("used_at", _INSTANT),
    )
    _table(
        "approvals",
        _key("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        _key("action"),
        _filled("operator"),
        _filled("case_version", sa.BigInteger),
        _filled("approved_at", _INSTANT),
    )
    _table(
        "audits",
        _key("position", sa.BigInteger, sa.Identity(always=True)),
        _filled("order_id", sa.Text, sa.ForeignKey(_ORDER)),
        *(_filled(name) for name in ("operator", "action", "reason")),
        _filled("arguments", JSONB),
        _filled("case_version", sa.BigInteger),
        _filled("acted_at", _INSTANT),
    )
    _index("audits_order", "audits", "order_id")


def _chassis() -> None:
    _table(
        "requests",
        *(_key(name) for name in ("principal", "command", "request_id")),
        *(_filled(name, sa.LargeBinary) for name in ("digest", "answer")),
        _filled("asked_at", _INSTANT),
    )
    _table(
        "outbox",
        _key("position", sa.BigInteger, sa.Identity(always=True)),
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
        *(_key(name) for name in ("consumer", "source", "aggregate_id")),
        _filled("version", sa.BigInteger),
        _filled("taken_at", _INSTANT),
    )


def _nothing_is_rewritten() -> None:
    """What happened, who acted and what partners said is only ever added to (OP-02, SK-40)."""
    for table in ("timeline", "audits", "words", "scans"):
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON sparekey.{table} FROM sparekey")
