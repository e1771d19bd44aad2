"""Cards as the processor's references; numbers never reach us (ST-22)."""

from datetime import datetime
from typing import Self

import sqlalchemy as sa

from services.chassis.columns import instant, text
from services.store.models import Table, View


class CardFacts(View):
    """What the processor tells of a card."""

    processor_ref: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int


class CardView(View):
    card_id: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int


class Card(Table, table=True):
    """A card that a member gave: kept once an order with it was placed and the box stayed ticked (SK-18)."""

    __tablename__ = "cards"
    __table_args__ = (
        sa.UniqueConstraint("processor_ref", name="cards_processor_ref"),
        sa.CheckConstraint("last4 ~ '^[0-9]{4}$'", name="cards_last4"),
        sa.Index("cards_kept", "member_id", "card_id", postgresql_where=sa.text("kept_at is not null")),
    )

    card_id: str = text(primary_key=True)
    member_id: str = text()
    processor_ref: str = text()
    brand: str = text()
    last4: str = text()
    expiry_month: int
    expiry_year: int
    given_at: datetime = instant()
    kept_at: datetime | None = instant(default=None)
    detached_at: datetime | None = instant(default=None)

    @classmethod
    def of(cls, facts: CardFacts, card_id: str, member_id: str, now: datetime) -> Self:
        return cls.make(**facts.model_dump(), card_id=card_id, member_id=member_id, given_at=now)

    def view(self) -> CardView:
        return CardView.model_validate(self.model_dump())


class Customer(Table, table=True):
    """Who a member is at the processor: a reference that says nothing of the person."""

    __tablename__ = "customers"

    member_id: str = text(primary_key=True)
    processor_ref: str = text()
