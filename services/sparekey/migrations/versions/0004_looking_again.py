"""That a key about to leave is to be looked at again, and which address the maker was told."""

from __future__ import annotations

import sqlalchemy as sa

from services.chassis.schema import Schema

revision = "0004"
down_revision = "0003"

_SCHEMA = Schema("sparekey")
_ABOUT_TO_LEAVE = "state in ('ready', 'released') or (state = 'redelivering' and tracking_number = '')"


def upgrade() -> None:
    _SCHEMA.add("cases", "look_due", sa.Boolean, "false")
    _SCHEMA.add("calls", "goes_to", sa.Text, "''")
    _SCHEMA.index("cases_leaving", "cases", "room_id", where=_ABOUT_TO_LEAVE)
