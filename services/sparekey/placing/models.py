"""Tries of placing an order: what was confirmed, and what came of it (SK-26, SK-27)."""

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlmodel import Field

from services.chassis.columns import instant, text
from services.sparekey.models import Table


class Placement(Table, table=True):
    """One try, as long remembered as the order: a lost answer is given again, also when the order went on (PR-10).

    Attributes:
        outcome: empty while it is being placed; else placed, declined or refused.
        code: why not.
    """

    __tablename__ = "placements"
    __table_args__ = (
        sa.CheckConstraint("outcome in ('', 'placed', 'declined', 'refused')", name="placements_outcome"),
        sa.CheckConstraint("(outcome = '') = (settled_at is null)", name="placements_settled"),
    )

    order_id: str = text(primary_key=True, foreign_key="sparekey.cases.order_id", ondelete="CASCADE")
    attempt: int = Field(primary_key=True)
    snapshot_hash: str = text()
    terms_version: str = text()
    cancellation_version: str = text()
    agreed_at: AwareDatetime = instant()
    outcome: str = text(default="")
    code: str = text(default="")
    order_number: str = text(default="")
    settled_at: AwareDatetime | None = instant(default=None)
