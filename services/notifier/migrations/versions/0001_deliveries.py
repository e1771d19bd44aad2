"""What is to be told to whom, which orders are of goods; what every context keeps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.chassis.schema import INSTANT, Schema, filled, maybe

revision = "0001"
down_revision = None

_SCHEMA = Schema("notifier")

_OPEN = "state in ('planned', 'unclosed')"


def upgrade() -> None:
    _deliveries()
    _SCHEMA.table("goods_orders", sa.Column("order_id", sa.Text, primary_key=True))
    _SCHEMA.chassis_tables()


def _deliveries() -> None:
    _SCHEMA.table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        *(filled(name) for name in ("event_id", "recipient", "letter")),
        filled("facts", JSONB),
        filled("urgent", sa.Boolean),
        filled("planned_at", INSTANT),
        filled("state"),
        filled("due_at", INSTANT),
        filled("tries", sa.Integer),
        maybe("channel"),
        maybe("address_digest"),
        filled("failure"),
        maybe("ended_at", INSTANT),
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
