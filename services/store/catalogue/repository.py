"""SQL of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.pages import Page
from services.chassis.rows import every
from services.store.catalogue.models import Product

_T = Product.table().c


async def put(tx: AsyncSession, products: Iterable[Product]) -> int:
    """Adds products, or changes those of the same sku. Returns how many are not as they were."""
    rows = [product.model_dump() for product in products]
    new = insert(Product.table()).values(rows)
    kept = [column for column in _T if column.name not in {"product_id", "sku"}]
    changed = sa.tuple_(*kept).is_distinct_from(sa.tuple_(*(new.excluded[column.name] for column in kept)))
    values = {column.name: new.excluded[column.name] for column in kept}
    done = new.on_conflict_do_update(index_elements=[_T.sku], set_=values, where=changed).returning(_T.sku)
    return len((await tx.execute(done)).all())


async def listed(session: AsyncSession, category: str, page: Page) -> Sequence[Product]:
    """One page of products and one more, if there is one; newest first."""
    found = sa.select(Product).where(_T.category == category) if category else sa.select(Product)
    return await every(session, Product, page.of(found, _T.product_id))


async def by_sku(session: AsyncSession, skus: Iterable[str]) -> dict[str, Product]:
    found = await every(session, Product, sa.select(Product).where(_T.sku.in_(set(skus))))
    return {product.sku: product for product in found}
