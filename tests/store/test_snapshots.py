"""The page that is confirmed: frozen with its hash, and placed only as it was shown."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest

from services.chassis.errors import InvalidField, NotFound, Unavailable
from services.store.catalogue.domain import PutProducts
from services.store.checkout.models import CheckoutView
from services.store.models import Address
from services.store.placing.domain import OrderChanged
from tests.store.test_catalogue import goods
from tests.store.test_checkouts import fields
from tests.store.world import DESK, HOME, NOW, ORDERER, World, new_member, request_id

ELSEWHERE = Address(postal_code="1500001", prefecture="東京都", city="渋谷区", street="神宮前2-2", building="")


@pytest.mark.rule("SK-26")
async def test_the_snapshot_holds_all_that_the_page_shows_under_the_hash_of_its_text(world: World, member: str) -> None:
    world.neighbours.points = 300
    code = await world.coupon()
    view = await world.ready(
        member, coupon_code=code, points_choice="all", wish_date="2026-07-20", remarks="鍵は二階です", quantity=2
    )

    taken = await world.snapshot(view, flow_facts={"key_number_digest": "d1", "kind": "normal"})

    assert taken.snapshot_hash == hashlib.sha256(taken.content_json.encode()).hexdigest()
    shown = json.loads(taken.content_json)
    assert taken.content_json == json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert shown["lines"][0] | {"sku": "key-normal", "quantity": 2, "unit_price": 3_300} == shown["lines"][0]
    assert shown["totals"] | {"goods": 6_600, "coupon": 500, "points": 300, "due": 5_800} == shown["totals"]
    assert shown["address"] == HOME.model_dump()
    assert shown["orderer"] == ORDERER.model_dump()
    assert shown["recipient"]["name"] == "山田 花子"
    assert (shown["means"], shown["card"]["last4"], shown["time_of_payment"]) == ("card", "4242", "at-dispatch")
    assert (shown["coupon_code"], shown["wish_date"], shown["remarks"]) == (code, "2026-07-20", "鍵は二階です")
    assert (shown["cancellable"], shown["expected_dispatch_on"]) == (False, "2026-07-14")
    assert shown["flow_facts"] | {"key_number_digest": "d1", "kind": "normal"} == shown["flow_facts"]
    assert shown["language"] == "ja"


@pytest.mark.rule("ST-14")
async def test_the_order_keeps_the_hash_of_the_page_and_the_versions_that_were_ticked(
    world: World, member: str
) -> None:
    view = await world.ready(member)
    taken = await world.snapshot(view)

    await world.begun(view, snapshot_hash=taken.snapshot_hash)

    row = await world.row(view.order_id)
    assert (row.snapshot_hash, row.terms_version, row.cancellation_version) == (taken.snapshot_hash, "t1", "c1")
    kept = await world.scalar("select content from snapshots where order_id = :o", o=view.order_id)
    assert kept == taken.content_json


async def test_the_same_page_is_the_same_snapshot(world: World, member: str) -> None:
    view = await world.ready(member)

    first, second = await world.snapshot(view), await world.snapshot(view)

    assert first.snapshot_hash == second.snapshot_hash


@pytest.mark.rule("SK-26")
@pytest.mark.parametrize(
    ("choices", "missing"),
    [
        ({}, {"means": "means-missing"}),
        ({"means": "card"}, {"card_id": "card-missing"}),
        (
            {"means": "epos", "recipient": {}},
            {f"recipient.{name}": f"recipient-{name}-missing" for name in ("name", "kana", "phone")},
        ),
    ],
)
async def test_a_page_with_something_missing_is_not_confirmed(
    world: World, member: str, choices: dict[str, object], missing: dict[str, str]
) -> None:
    view = await world.updated(await world.opened(member), **choices)

    with pytest.raises(InvalidField) as refused:
        await world.snapshot(view)

    assert fields(refused) == missing


async def test_points_that_cannot_be_counted_are_not_confirmed(world: World, member: str) -> None:
    world.neighbours.points = 100
    view = await world.ready(member, points_choice="all")
    world.neighbours.points = Unavailable()

    with pytest.raises(Unavailable):
        await world.snapshot(view)


async def test_a_page_shown_to_nobody_cannot_be_confirmed(world: World, member: str) -> None:
    view = await world.ready(member)

    with pytest.raises(OrderChanged):
        await world.begun(view, snapshot_hash="0" * 64)


async def price(world: World, view: CheckoutView, sku: str, code: str) -> None:
    product = goods(sku, price=1_100, means=("card",))
    await world.store.catalogue.put(DESK, PutProducts(request_id=request_id(), products=(product,)))


async def address(world: World, view: CheckoutView, sku: str, code: str) -> None:
    await world.opened(view.member_id, sku=sku, address=ELSEWHERE)


async def coupon(world: World, view: CheckoutView, sku: str, code: str) -> None:
    await world.scalar("update coupons set used = uses_total where code = :c returning 1", c=code)


async def choice(world: World, view: CheckoutView, sku: str, code: str) -> None:
    await world.updated(view, remarks="other")


async def quantity(world: World, view: CheckoutView, sku: str, code: str) -> None:
    await world.opened(view.member_id, sku=sku, quantity=2)


async def wish(world: World, view: CheckoutView, sku: str, code: str) -> None:
    world.clock.advance(timedelta(days=30))


@pytest.mark.rule("SK-26")
@pytest.mark.parametrize("change", [price, address, coupon, choice, quantity, wish])
async def test_what_changed_since_it_was_confirmed_is_not_ordered(world: World, member: str, change: object) -> None:
    sku = request_id()
    product = goods(sku, means=("card",))
    await world.store.catalogue.put(DESK, PutProducts(request_id=request_id(), products=(product,)))
    code = await world.coupon(uses_total=1)
    view = await world.opened(member, sku=sku, room_id="room_01jzkey0000000000000000001")
    view = await world.updated(
        view, means="card", card_id=request_id().replace("req", "pm"), coupon_code=code, wish_date=str(first_day(view))
    )
    confirmed = (await world.snapshot(view)).snapshot_hash

    await change(world, view, sku, code)  # type: ignore[operator]  # one of the functions above

    with pytest.raises(OrderChanged):
        await world.begun(view, snapshot_hash=confirmed)
    assert (await world.row(view.order_id)).state == "checkout"


def first_day(view: CheckoutView) -> object:
    return view.wish_dates_offered[0]


async def test_terms_other_than_those_that_the_page_named_are_not_agreed_to(world: World, member: str) -> None:
    view = await world.ready(member)
    confirmed = await world.snapshot(view, flow_facts={"terms_version": "t0", "cancellation_version": "c1"})

    with pytest.raises(OrderChanged):
        await world.begun(view, snapshot_hash=confirmed.snapshot_hash)


async def test_the_address_on_the_page_is_the_one_that_the_flow_read_from_the_lease(world: World, member: str) -> None:
    view = await world.ready(member)

    taken = await world.snapshot(view, address=ELSEWHERE)

    assert json.loads(taken.content_json)["address"] == ELSEWHERE.model_dump()
    assert "address-changed" in taken.checkout.notices
    assert (await world.begun(view, snapshot_hash=taken.snapshot_hash)).due == 3_300


async def test_another_members_page_is_not_found(world: World, member: str) -> None:
    view = await world.ready(member)

    with pytest.raises(NotFound):
        await world.snapshot(view.model_copy(update={"member_id": new_member()}))


async def test_a_coupon_that_ended_over_night_is_not_ordered_with(world: World, member: str) -> None:
    code = await world.coupon(last_day=NOW.date())
    view = await world.ready(member, coupon_code=code)
    confirmed = (await world.snapshot(view)).snapshot_hash

    world.clock.advance(timedelta(hours=6))

    with pytest.raises(OrderChanged):
        await world.begun(view, snapshot_hash=confirmed)
