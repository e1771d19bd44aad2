"""What is to be told to whom, which orders are of goods; what every context keeps."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_INSTANT = sa.DateTime(timezone=True)
_OPEN = "state in ('planned', 'unclosed')"


def upgrade() -> None:
    _deliveries()
    _table("goods_orders", sa.Column("order_id", sa.Text, primary_key=True))
    _chassis()


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema="notifier")


def _filled(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _maybe(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _deliveries() -> None:
    _table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        *(_filled(name) for name in ("event_id", "recipient", "letter")),
        _filled("facts", JSONB),
        _filled("urgent", sa.Boolean),
        _filled("planned_at", _INSTANT),
        _filled("state"),
        _filled("due_at", _INSTANT),
        _filled("tries", sa.Integer),
        _maybe("channel"),
        _maybe("address_digest"),
        _filled("failure"),
        _maybe("ended_at", _INSTANT),
        sa.UniqueConstraint("event_id", "recipient", name="deliveries_once"),
        sa.CheckConstraint(
            "state in ('planned', 'unclosed', 'sent', 'bounced', 'lapsed', 'given-up')", name="deliveries_state"
        ),
        sa.CheckConstraint("channel in ('mail', 'sms')", name="deliveries_channel"),
        sa.CheckConstraint("(channel is null) = (address_digest is null)", name="deliveries_addressed"),
        sa.CheckConstraint(f"(ended_at is null) = ({_OPEN})", name="deliveries_ended"),
        sa.CheckConstraint("tries >= 0", name="deliveries_tries"),
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        [sa.text("urgent desc"), "due_at"],
        schema="notifier",
        postgresql_where=sa.text(_OPEN),
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
    op.create_index(
        "outbox_waiting",
        "outbox",
        ["kind", "position"],
        schema="notifier",
        postgresql_where=sa.text("handed_on_at is null"),
    )
    _table(
        "inbox",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("consumer", "source", "aggregate_id")),
        _filled("version", sa.BigInteger),
        _filled("taken_at", _INSTANT),
    )
