"""When the maker took an order, when a key was handed over, when a silent maker was last asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ADDED = (("cases", "arranged_at"), ("cases", "handed_over_at"), ("calls", "tried_at"))


def upgrade() -> None:
    for table, name in _ADDED:
        op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True), schema="sparekey")
