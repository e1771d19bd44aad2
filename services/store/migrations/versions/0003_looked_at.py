"""Calls without an outcome are taken in the order in which they were last looked at (ST-21)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("intents", sa.Column("looked_at", sa.DateTime(timezone=True)), schema="store")
    op.execute("update store.intents set looked_at = coalesce(asked_at, opened_at)")
    op.alter_column("intents", "looked_at", nullable=False, schema="store")
    op.drop_index("intents_open", "intents", schema="store")
    op.create_index(
        "intents_open", "intents", ["looked_at"], schema="store", postgresql_where=sa.text("done_at is null")
    )
