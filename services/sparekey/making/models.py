"""What the key maker said of numbers (SK-13)."""

import sqlalchemy as sa
from pydantic import AwareDatetime

from services.chassis.columns import instant, text
from services.sparekey.models import Table


class MakerCheck(Table, table=True):
    """What is known of one look-up at the maker; word of it may come before our own call has its answer."""

    __tablename__ = "maker_checks"
    __table_args__ = (
        sa.CheckConstraint("result in ('', 'exists', 'unknown')", name="maker_checks_result"),
        sa.Index("maker_checks_order", "order_id"),
    )

    check_id: str = text(primary_key=True)
    order_id: str = text()
    check_round: int | None = None
    result: str = text(default="")
    mailed_at: AwareDatetime | None = instant(default=None)
