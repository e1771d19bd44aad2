"""What an operator did to an order that is a draft again stays when the draft is dropped (OP-02, SK-22)."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_constraint("audits_order_id_fkey", "audits", schema="sparekey", type_="foreignkey")
