"""A contractor who found the seat taken by somebody of the household (RM-06)."""

from enum import StrEnum

import sqlalchemy as sa
from pydantic import AwareDatetime

from services.chassis.columns import instant, text
from services.rooms.models import Table


class Outcome(StrEnum):
    RELEASED = "released"
    """The holder gave the seat up, or was removed: the claimant may register."""
    GRANTED = "granted"
    REFUSED = "refused"


class Conflict(Table, table=True):
    """A claim on the contractor's seat of a lease; open until it has an outcome."""

    __tablename__ = "conflicts"
    __table_args__ = (
        sa.Index(
            "conflicts_open_once",
            "lease_id",
            "claimant_id",
            unique=True,
            postgresql_where=sa.text("outcome is null"),
        ),
        sa.CheckConstraint(
            "(outcome is null) = (settled_at is null) and (outcome is null) = (settled_by is null)",
            name="conflicts_settled",
        ),
        sa.CheckConstraint("outcome in ('released', 'granted', 'refused')", name="conflicts_outcome"),
    )

    id: str = text(primary_key=True)
    lease_id: str = text(foreign_key="rooms.leases.id")
    claimant_id: str = text(min_length=1)
    holder_id: str = text(min_length=1)
    opened_at: AwareDatetime = instant()
    outcome: Outcome | None = text(default=None)
    settled_at: AwareDatetime | None = instant(default=None)
    settled_by: str | None = text(default=None)
    reason: str | None = text(default=None)
