"""What is sold (ST-01)."""

from typing import Self

import sqlalchemy as sa
from sqlmodel import Field

from services.chassis.columns import record, text, whole
from services.store.models import LocalText, Means, Table, View

MEANS_OFFERABLE: tuple[Means, ...] = ("card", "deferred", "epos")


class Goods(View):
    """One product as operators keep it and as people see it.

    Attributes:
        price: whole yen, tax included (PR-01).
        tax_rate: percent.
        lead_business_days: from the order to its dispatch (ST-30).
        means: by which it may be paid (ST-20).
    """

    product_id: str = ""
    sku: str
    category: str
    name: LocalText = LocalText()
    description: LocalText = LocalText()
    picture: str
    price: int
    tax_rate: int
    lead_business_days: int
    earns_points: bool
    admits_points: bool
    cancellable: bool
    means: tuple[Means, ...]


class Product(Table, table=True):
    __tablename__ = "products"
    __table_args__ = (
        sa.CheckConstraint("price > 0", name="products_price"),
        sa.CheckConstraint("tax_rate in (8, 10)", name="products_tax_rate"),
        sa.CheckConstraint("lead_business_days between 1 and 60", name="products_lead"),
        sa.CheckConstraint(
            "means <@ array['card', 'deferred', 'epos'] and cardinality(means) > 0", name="products_means"
        ),
        sa.UniqueConstraint("sku", name="products_sku"),
    )

    product_id: str = text(primary_key=True)
    sku: str = text()
    category: str = text()
    name: dict[str, str] = record()
    description: dict[str, str] = record()
    picture: str = text()
    price: int = whole()
    tax_rate: int
    lead_business_days: int
    earns_points: bool
    admits_points: bool
    cancellable: bool
    means: list[str] = Field(sa_type=sa.ARRAY(sa.Text))

    @classmethod
    def of(cls, goods: Goods, product_id: str) -> Self:
        return cls.make(**goods.model_dump() | {"product_id": product_id, "means": list(goods.means)})

    def goods(self) -> Goods:
        return Goods.model_validate(self.model_dump())
