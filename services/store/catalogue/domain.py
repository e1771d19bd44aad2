"""The catalogue: what is sold, at which price, paid how (ST-01, SK-07)."""

from __future__ import annotations

from services.chassis.errors import InvalidField, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.store.catalogue import repository
from services.store.catalogue.models import Goods, Product
from services.store.models import ChangedCount


class PutProducts(Command):
    products: tuple[Goods, ...]


class Catalogue(Verbs):
    """What can be bought, and at what price from now on."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @command
    async def put(self, work: Work, asked: PutProducts) -> ChangedCount:
        """Adds products or changes them by sku; orders keep the price that they were placed at (SK-07).

        Raises:
            InvalidField: names each field that is missing or out of its bounds (PR-12).
        """
        violations = [found for index, goods in enumerate(asked.products) for found in _violations(index, goods)]
        if violations:
            raise InvalidField(violations=violations)
        products = [Product.of(goods, new_id("prd")) for goods in asked.products]
        return ChangedCount(changed=await repository.put(work.tx, products))

    async def listed(self, category: str, page: Page) -> Listed[Goods]:
        """Products of a category, or of all; newest first (PR-16)."""
        async with self.commands.database.reading() as session:
            found = await repository.listed(session, category, page)
        return page.listed(found, lambda product: (product.product_id,)).map(Product.goods)


def _violations(index: int, goods: Goods) -> list[Violation]:
    wrong = {
        "sku": not goods.sku,
        "category": not goods.category,
        "name": not goods.name.complete,
        "description": not goods.description.complete,
        "price": goods.price <= 0,
        "tax_rate": goods.tax_rate not in {8, 10},
        "lead_business_days": not 1 <= goods.lead_business_days <= 60,  # noqa: PLR2004  # as the table checks
        "means": not goods.means or "none" in goods.means,
    }
    return [Violation(f"products[{index}].{name}", "field-invalid", {}) for name, is_wrong in wrong.items() if is_wrong]
