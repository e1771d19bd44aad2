"""The catalogue: what is sold, at which price, paid how (ST-01, SK-07)."""

from __future__ import annotations

from services.chassis.errors import InvalidField, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.store.catalogue import repository
from services.store.catalogue.models import Goods, Product
from services.store.models import LocalText, Page, View, cursor


class PutProducts(Command):
    goods: tuple[Goods, ...]


class Changed(View):
    changed: int


class Listed(View):
    goods: tuple[Goods, ...]
    next_cursor: str


class Catalogue(Verbs):
    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @command
    async def put(self, work: Work, asked: PutProducts) -> Changed:
        """Adds products or changes them by sku; orders keep the price that they were placed at (SK-07).

        Raises:
            InvalidField: names each field that is missing or out of its bounds (PR-12).
        """
        violations = [found for index, goods in enumerate(asked.goods) for found in _violations(index, goods)]
        if violations:
            raise InvalidField(violations=violations)
        products = [Product.of(goods, new_id("prd")) for goods in asked.goods]
        return Changed(changed=await repository.put(work.tx, products))

    async def listed(self, category: str, page: Page) -> Listed:
        """Products of a category, or of all; newest first (PR-16)."""
        async with self.commands.database.reading() as session:
            found = await repository.listed(session, category, page)
        shown = found[: page.limit]
        more = cursor(shown[-1].product_id) if len(found) > len(shown) else ""
        return Listed(goods=tuple(product.goods() for product in shown), next_cursor=more)


def _violations(index: int, goods: Goods) -> list[Violation]:
    wrong = {
        "sku": not goods.sku,
        "category": not goods.category,
        "name": not _complete(goods.name),
        "description": not _complete(goods.description),
        "price": goods.price <= 0,
        "tax_rate": goods.tax_rate not in {8, 10},
        "lead_business_days": not 1 <= goods.lead_business_days <= 60,  # noqa: PLR2004  # as the table checks
        "means": not goods.means or "none" in goods.means,
    }
    return [Violation(f"products.{index}.{name}", "field-invalid", {}) for name, is_wrong in wrong.items() if is_wrong]


def _complete(text: LocalText) -> bool:
    return all((text.ja, text.en, text.zh_hans))
