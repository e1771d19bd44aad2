"""Since when an order's goods are known not to arrive, and when it was closed with goods that nobody wanted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("astray_since", "unclaimed_at"):
        op.add_column("grants", sa.Column(name, sa.DateTime(timezone=True), nullable=True), schema="points")
