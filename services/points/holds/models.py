"""Points that an order has put aside, a part for each of its lines."""

from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa

from services.chassis.columns import instant, text, whole
from services.points.models import Table

PartState = Literal["held", "captured", "released"]


class Hold(Table, table=True):
    """The one hold of an order and a try of placing it; which lots it took stands in its `held` entries (PT-24).

    Without a member it was released before it came, and none can come any longer.

    Attributes:
        keeps_last_day: last day of the normal points' life once this hold is redeemed (PT-10).
    """

    __tablename__ = "holds"
    __table_args__ = (
        sa.PrimaryKeyConstraint("order_id", "attempt"),
        sa.CheckConstraint("(member_id is null) = (keeps_until is null)", "holds_made_or_never"),
        sa.CheckConstraint("(keeps_until is null) = (keeps_last_day is null)", "holds_term_whole"),
    )

    order_id: str = text(primary_key=True)
    attempt: int = whole(primary_key=True)
    hold_id: str = text()
    member_id: str | None = text(default=None, foreign_key="points.balances.member_id")
    held_at: datetime = instant()
    keeps_last_day: date | None = None
    keeps_until: datetime | None = instant(default=None)


class HoldPart(Table, table=True):
    """A line's share of a hold: captured or released exactly once; of what was captured some may be given back."""

    __tablename__ = "hold_parts"
    __table_args__ = (
        sa.PrimaryKeyConstraint("order_id", "attempt", "part_id"),
        sa.ForeignKeyConstraint(["order_id", "attempt"], ["points.holds.order_id", "points.holds.attempt"]),
        sa.CheckConstraint("points > 0 and yen >= 0", "hold_parts_positive"),
        sa.CheckConstraint("state in ('held', 'captured', 'released')", "hold_parts_state"),
        sa.CheckConstraint("(state = 'held') = (decided_at is null)", "hold_parts_decided"),
        sa.CheckConstraint(
            "given_back between 0 and points and (given_back = 0 or state = 'captured')", "hold_parts_given_back"
        ),
    )

    order_id: str = text(primary_key=True)
    attempt: int = whole(primary_key=True)
    part_id: str = text(primary_key=True)
    points: int = whole()
    yen: int = whole()
    state: PartState = text(default="held")
    decided_at: datetime | None = instant(default=None)
    given_back: int = whole(default=0)
    reissue: bool = False
