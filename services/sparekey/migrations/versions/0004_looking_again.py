"""That a key about to leave is to be looked at again, and which address the maker was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ABOUT_TO_LEAVE = "state in ('ready', 'released') or (state = 'redelivering' and tracking_number = '')"


def upgrade() -> None:
    _add("cases", "look_due", sa.Boolean, "false")
    _add("calls", "goes_to", sa.Text, "''")
    condition = sa.text(_ABOUT_TO_LEAVE)
    op.create_index("cases_leaving", "cases", ["room_id"], schema="sparekey", postgresql_where=condition)


def _add(table: str, name: str, kind: type[sa.Boolean | sa.Text], at_first: str) -> None:
    """A column that rows have from now on; the default is for those that are there."""
    added = sa.Column(name, kind, nullable=False, server_default=sa.text(at_first))
    op.add_column(table, added, schema="sparekey")
    op.alter_column(table, name, server_default=None, schema="sparekey")
