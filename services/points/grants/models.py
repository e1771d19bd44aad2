"""What an order earns, and when it is due."""

from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa

from services.chassis.columns import instant, text, whole
from services.chassis.jst import deadline, jst_date, period_end
from services.points.models import Table

GrantState = Literal["pending", "granted", "cancelled"]


class Action(Table, table=True):
    """What an operator did to the process of a grant (OP-02)."""

    __tablename__ = "actions"

    action_id: str = text(primary_key=True)
    order_id: str = text()
    operator: str = text()
    action: str = text()
    reason: str = text()
    acted_at: datetime = instant()


class Grant(Table, table=True):
    """The one grant of an order, under the rules of the order's day (PT-07).

    Attributes:
        amount: yen paid for what earns points, after coupon and points (PT-04).
        points: what the amount earns, or, once granted, what was granted.
        reversed: how much of what was granted is taken back or owed.
        astray_since: the goods are known to be lost, or back with who sent them.
        unclaimed_at: the order was closed with goods that nobody wanted: nothing can be claimed.
        due_at: when it is granted; nothing while nobody knows.
        due_on: the day in Japan on which it is granted.
    """

    __tablename__ = "grants"
    __table_args__ = (
        sa.CheckConstraint("state in ('pending', 'granted', 'cancelled')", "grants_state"),
        sa.CheckConstraint("amount >= 0 and points >= 0 and reversed between 0 and points", "grants_amounts"),
        sa.CheckConstraint("yen_per_point > 0 and claim_days > 0 and presumed_arrival_days > 0", "grants_rules"),
        sa.CheckConstraint("(due_at is null) = (due_on is null)", "grants_due_whole"),
        sa.CheckConstraint("(state = 'pending') = (decided_at is null)", "grants_decided"),
        sa.Index("grants_pending", "member_id", "due_on", postgresql_where=sa.text("state = 'pending'")),
    )

    order_id: str = text(primary_key=True)
    member_id: str = text(foreign_key="points.balances.member_id")
    state: GrantState = text(default="pending")
    amount: int = whole()
    points: int = whole()
    reversed: int = whole(default=0)
    rules_version: str = text()
    yen_per_point: int
    claim_days: int
    presumed_arrival_days: int
    placed_at: datetime = instant()
    dispatched_at: datetime | None = instant(default=None)
    delivered_at: datetime | None = instant(default=None)
    astray_since: datetime | None = instant(default=None)
    unclaimed_at: datetime | None = instant(default=None)
    due_at: datetime | None = instant(default=None)
    due_on: date | None = None
    decided_at: datetime | None = instant(default=None)

    def earned(self, amount: int) -> int:
        """Points for an amount in yen, rounded down once for the whole order (PT-02)."""
        return amount // self.yen_per_point

    def wait(self) -> None:
        """Sets the instant at which it is granted, by all that is known (PT-05)."""
        self.due_at = self._due()
        self.due_on = jst_date(self.due_at) if self.due_at else None

    def _due(self) -> datetime | None:
        """What was dispatched and never reported counts as arrived after a while, unless known to be elsewhere."""
        if self.unclaimed_at is not None:
            return self.unclaimed_at
        arrived = self.delivered_at
        if arrived is not None and arrived >= (self.dispatched_at or arrived):
            return deadline(period_end(arrived, days=self.claim_days))
        if self.dispatched_at is None or self.astray_since is not None:
            return None
        presumed = period_end(self.dispatched_at, days=self.presumed_arrival_days)
        return deadline(period_end(presumed, days=self.claim_days))
