"""What is to be told to whom: ids, dates and amounts, and never an address, a name or a code (OP-03, OP-11)."""

from datetime import datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from services.chassis.columns import instant, is_one_of, record, text
from services.notifier.models import Channel, Table

State = Literal["planned", "unclosed", "sent", "bounced", "lapsed", "given-up"]
"""`unclosed` was sent, and its envelope waits to be destroyed; `lapsed` had nobody or nothing left to tell."""
OPEN = ("planned", "unclosed")


class Notice(BaseModel):
    """One message: to a member (`mem_…`) or about an envelope (`env_…`), with the facts that it is written from."""

    model_config = ConfigDict(frozen=True)

    recipient: str
    letter: str
    facts: dict[str, str | int] = {}


class Delivery(Table, table=True):
    """One event for one recipient by one channel. `due_at` is real time, and also the end of a lease."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.UniqueConstraint("event_id", "recipient", name="deliveries_once"),
        sa.CheckConstraint(is_one_of("state", get_args(State)), name="deliveries_state"),
        sa.CheckConstraint(is_one_of("channel", get_args(Channel)), name="deliveries_channel"),
        sa.CheckConstraint("(channel is null) = (address_digest is null)", name="deliveries_addressed"),
        sa.CheckConstraint(f"(ended_at is null) = ({is_one_of('state', OPEN)})", name="deliveries_ended"),
        sa.CheckConstraint("tries >= 0", name="deliveries_tries"),
        sa.Index(
            "deliveries_due", sa.text("urgent desc"), "due_at", postgresql_where=sa.text(is_one_of("state", OPEN))
        ),
    )

    id: str = text(primary_key=True)
    event_id: str = text()
    recipient: str = text()
    letter: str = text()
    facts: dict[str, Any] = record()
    urgent: bool
    planned_at: datetime = instant()
    state: State = text(default="planned")
    due_at: datetime = instant()
    tries: int = 0
    channel: Channel | None = text(default=None)
    address_digest: str | None = text(default=None)
    failure: str = text(default="")
    ended_at: datetime | None = instant(default=None)

    @property
    def of_envelope(self) -> bool:
        """Whether it is a code that waits in an envelope."""
        return self.recipient.startswith("env_")


class GoodsOrder(Table, table=True):
    """An order of goods: the store has events about key orders too, but of those sparekey's events tell."""

    __tablename__ = "goods_orders"

    order_id: str = text(primary_key=True)
