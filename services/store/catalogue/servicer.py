"""The catalogue over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.catalogue.domain import Catalogue, PutProducts
from services.store.catalogue.models import Goods
from services.store.servicer import Context, local_text, number, page, read_text, word


class CatalogueServicer:
    catalogue: Catalogue

    async def ListProducts(
        self, request: store_pb2.ListProductsRequest, context: Context
    ) -> store_pb2.ListProductsResponse:
        listed = await self.catalogue.listed(request.category, page(request.page))
        return store_pb2.ListProductsResponse(products=map(_product, listed.goods), next_cursor=listed.next_cursor)

    async def PutProducts(
        self, request: store_pb2.PutProductsRequest, context: Context
    ) -> store_pb2.PutProductsResponse:
        asked = PutProducts(request_id=request.request_id, goods=tuple(map(_goods, request.products)))
        return store_pb2.PutProductsResponse(changed=(await self.catalogue.put(caller(), asked)).changed)


def _product(goods: Goods) -> store_pb2.Product:
    texts = {"name": local_text(goods.name.model_dump()), "description": local_text(goods.description.model_dump())}
    means = [number(store_pb2.Means, one) for one in goods.means]
    return store_pb2.Product(**goods.model_dump(exclude={"name", "description", "means"}) | texts, means=means)


def _goods(product: store_pb2.Product) -> Goods:
    return Goods(
        sku=product.sku,
        category=product.category,
        name=read_text(product.name),
        description=read_text(product.description),
        picture=product.picture,
        price=product.price,
        tax_rate=product.tax_rate,
        lead_business_days=product.lead_business_days,
        earns_points=product.earns_points,
        admits_points=product.admits_points,
        cancellable=product.cancellable,
        means=tuple(word(store_pb2.Means, one) for one in product.means if one),
    )
