"""Coupons and their uses (ST-12)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol, Self

import sqlalchemy as sa
from sqlmodel import Field

from services.chassis.columns import instant, record, text, whole
from services.store.models import LocalText, Table, View


class CouponTerms(View):
    """A coupon as the campaign desk states it.

    Attributes:
        amount_off: yen; exactly one of this and `percent_off` is set.
        minimum: yen of goods that it is for.
        skus: what it is for; empty for every product.
    """

    code: str
    name: LocalText = LocalText()
    amount_off: int
    percent_off: int
    first_day: date
    last_day: date
    minimum: int
    skus: tuple[str, ...]
    uses_per_member: int
    uses_total: int


class Bought(Protocol):
    """What a coupon is held against."""

    @property
    def sku(self) -> str: ...
    @property
    def amount(self) -> int: ...


class Coupon(Table, table=True):
    __tablename__ = "coupons"
    __table_args__ = (
        sa.CheckConstraint("(amount_off > 0) <> (percent_off > 0)", name="coupons_one_kind"),
        sa.CheckConstraint("amount_off >= 0 and percent_off between 0 and 100", name="coupons_worth"),
        sa.CheckConstraint("first_day <= last_day", name="coupons_window"),
        sa.CheckConstraint("minimum >= 0", name="coupons_minimum"),
        sa.CheckConstraint("uses_per_member > 0", name="coupons_per_member"),
        sa.CheckConstraint("used between 0 and uses_total", name="coupons_used"),
    )

    code: str = text(primary_key=True)
    name: dict[str, str] = record()
    amount_off: int = whole()
    percent_off: int
    first_day: date
    last_day: date
    minimum: int = whole()
    skus: list[str] = Field(sa_type=sa.ARRAY(sa.Text))
    uses_per_member: int
    uses_total: int
    used: int = 0

    @classmethod
    def of(cls, terms: CouponTerms) -> Self:
        return cls.make(**terms.model_dump() | {"skus": list(terms.skus)})

    def terms(self) -> CouponTerms:
        return CouponTerms.model_validate(self.model_dump())

    def weights(self, lines: Sequence[Bought]) -> list[int]:
        """What of each line it is for: its amount, or nothing."""
        return [line.amount if not self.skus or line.sku in self.skus else 0 for line in lines]

    def worth(self, lines: Sequence[Bought]) -> int:
        """Yen that it takes off; never more than what it is for costs (ST-11)."""
        eligible = sum(self.weights(lines))
        return min(self.amount_off or eligible * self.percent_off // 100, eligible)

    def refusal(self, lines: Sequence[Bought], today: date, used_by_member: int) -> str:
        """The code of why it cannot be used now; empty when it can."""
        eligible = sum(self.weights(lines))
        reasons = {
            "coupon-not-yet": today < self.first_day,
            "coupon-over": today > self.last_day,
            "coupon-not-for-this": not eligible,
            "coupon-below-minimum": eligible < self.minimum,
            "coupon-used-up": self.used >= self.uses_total,
            "coupon-used-by-you": used_by_member >= self.uses_per_member,
        }
        return next((code for code, holds in reasons.items() if holds), "")


class CouponUses(Table, table=True):
    """How often a member uses a coupon: one row, so that a conditional UPDATE decides (ST-12)."""

    __tablename__ = "coupon_uses"
    __table_args__ = (sa.CheckConstraint("used >= 0", name="coupon_uses_used"),)

    code: str = text(primary_key=True, foreign_key="store.coupons.code")
    member_id: str = text(primary_key=True)
    used: int


class Redemption(Table, table=True):
    """A coupon used by one try of placing an order; undone with it."""

    __tablename__ = "redemptions"
    __table_args__ = (
        sa.Index("redemptions_standing", "order_id", unique=True, postgresql_where=sa.text("undone_at is null")),
        sa.CheckConstraint("amount >= 0", name="redemptions_amount"),
    )

    order_id: str = text(primary_key=True)
    attempt: int = Field(primary_key=True)
    code: str = text(foreign_key="store.coupons.code")
    member_id: str = text()
    amount: int = whole()
    redeemed_at: datetime = instant()
    undone_at: datetime | None = instant(default=None)
