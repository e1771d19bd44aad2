from __future__ import annotations

import pytest

from services.chassis.errors import InvalidField
from services.chassis.pages import Page
from services.store.catalogue.domain import PutProducts
from services.store.catalogue.models import Goods
from services.store.models import LocalText
from tests.store.world import DESK, World, as_member, new_member, request_id


def goods(sku: str, **changed: object) -> Goods:
    text = LocalText(ja="品", en="thing", zh_hans="物")
    stated: dict[str, object] = {"category": f"for-{sku}", "name": text, "description": text, "picture": "thing"}
    stated |= {"price": 1_000, "tax_rate": 10, "lead_business_days": 3, "means": ("card",)}
    stated |= {"earns_points": True, "admits_points": True, "cancellable": True}
    return Goods(sku=sku, **stated | changed)


async def put(world: World, *products: Goods) -> int:
    return (await world.store.catalogue.put(DESK, PutProducts(request_id=request_id(), products=products))).changed


@pytest.mark.rule("ST-01")
async def test_the_two_keys_are_sold_in_three_languages_with_price_tax_means_and_flags(world: World) -> None:
    listed = await world.store.catalogue.listed("spare-key", Page())

    keys = {one.sku: one for one in listed.items}
    assert set(keys) == {"key-normal", "key-ic"}
    for key in keys.values():
        assert all([*key.name.model_dump().values(), *key.description.model_dump().values(), key.picture])
        assert (key.price > 0, key.tax_rate) == (True, 10)
        assert set(key.means) == {"card", "deferred", "epos"}
        assert (key.cancellable, key.earns_points, key.admits_points) == (False, True, True)
        assert key.lead_business_days == 7


@pytest.mark.rule("SK-07")
async def test_an_operator_changes_a_price_and_an_order_keeps_its_own(world: World, member: str) -> None:
    sku = request_id()
    await put(world, goods(sku, price=1_000, means=("card", "deferred", "epos")))
    order = await world.placed(member, sku=sku)

    changed = await put(world, goods(sku, price=1_500, means=("card", "deferred", "epos")))

    assert changed == 1
    assert (await world.order(order.order_id)).lines[0].unit_price == 1_000
    assert (await world.order(order.order_id)).totals.due == 1_000
    assert (await world.opened(new_member(), sku=sku)).totals.goods == 1_500


@pytest.mark.rule("PR-01")
async def test_an_order_line_keeps_the_tax_rate_that_held_when_it_was_ordered(world: World, member: str) -> None:
    sku = request_id()
    means = ("card", "deferred", "epos")
    await put(world, goods(sku, tax_rate=8, means=means))
    chosen = await world.ready(member, sku=sku)
    await put(world, goods(sku, tax_rate=10, means=means))
    order = await world.store.checkouts.get(as_member(member), chosen.order_id)
    await world.begun(order)
    await world.authorised(order.order_id)
    await world.confirmed(order.order_id)

    await put(world, goods(sku, tax_rate=8, means=means))

    assert (await world.order(order.order_id)).lines[0].tax_rate == 10
    assert (await world.opened(new_member(), sku=sku)).lines[0].tax_rate == 8


async def test_only_what_is_not_as_it_was_counts_as_changed(world: World) -> None:
    sku = request_id()
    await put(world, goods(sku))

    again, one_new = await put(world, goods(sku)), await put(world, goods(sku), goods(request_id()))

    assert (again, one_new) == (0, 1)


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"price": 0}, "price"),
        ({"tax_rate": 9}, "tax_rate"),
        ({"means": ()}, "means"),
        ({"means": ("none",)}, "means"),
        ({"lead_business_days": 0}, "lead_business_days"),
        ({"name": LocalText(ja="品", en="", zh_hans="物")}, "name"),
    ],
)
async def test_a_product_that_is_not_in_order_names_its_field(
    world: World, changed: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        await put(world, goods(request_id()), goods(request_id(), **changed))

    assert [violation.field for violation in refused.value.violations] == [f"products[1].{field}"]


async def test_products_are_listed_by_category_page_by_page_newest_first(world: World) -> None:
    category = request_id()
    skus = [request_id() for _ in range(5)]
    for sku in skus:
        await put(world, goods(sku, category=category))

    first = await world.store.catalogue.listed(category, Page(size=3))
    second = await world.store.catalogue.listed(category, Page(size=3, cursor=first.next_cursor))

    assert [one.sku for one in (*first.items, *second.items)] == skus[::-1]
    assert (bool(first.next_cursor), second.next_cursor) == (True, "")


@pytest.mark.rule("PR-16")
@pytest.mark.parametrize("cursor", ["%", "abc", "é"])
async def test_a_cursor_of_somebody_else_is_refused_by_its_field(world: World, cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await world.store.catalogue.listed("spare-key", Page(cursor=cursor))

    assert refused.value.violations[0].field == "page.cursor"
