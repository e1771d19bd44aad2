"""The order before it is placed: what is chosen is kept, what changed by itself is said."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.chassis.errors import Changed, InvalidField, NotFound, RuumError, TooLate, Unavailable
from services.store.catalogue.domain import PutProducts
from services.store.checkout.domain import DropCheckout
from services.store.models import Address, Recipient
from services.store.orders.domain import OrderAlreadyPlaced, OrderBeingPlaced
from tests.store.test_catalogue import goods
from tests.store.world import DESK, NOW, SPAREKEY, World, as_member, new_member, request_id


def fields(refused: pytest.ExceptionInfo[InvalidField]) -> dict[str, str]:
    return {violation.field: violation.code for violation in refused.value.violations}


async def reprice(world: World, sku: str, price: int) -> None:
    product = goods(sku, price=price, means=("card", "deferred", "epos"))
    await world.store.catalogue.put(DESK, PutProducts(request_id=request_id(), products=(product,)))


@pytest.mark.rule("SK-06")
@pytest.mark.parametrize(("quantity", "taken"), [(0, False), (1, True), (10, True), (11, False)])
async def test_one_to_ten_keys_are_ordered_at_once(world: World, member: str, quantity: int, taken: bool) -> None:
    if taken:
        assert (await world.opened(member, quantity=quantity)).lines[0].quantity == quantity
    else:
        with pytest.raises(InvalidField) as refused:
            await world.opened(member, quantity=quantity)
        assert list(fields(refused)) == ["quantity"]


@pytest.mark.rule("SK-06")
def test_no_choice_of_the_checkout_page_is_the_quantity() -> None:
    from ruum.store.v1 import store_pb2  # noqa: PLC0415  # only this test reads the contract

    names = {field.name for field in store_pb2.UpdateCheckoutRequest.DESCRIPTOR.fields}

    assert not names & {"quantity", "lines", "sku", "address"}


@pytest.mark.rule("SK-17")
async def test_going_back_to_the_order_keeps_everything_that_was_chosen(world: World, member: str) -> None:
    world.neighbours.points = 800
    code = await world.coupon()
    chosen = await world.ready(member, coupon_code=code, points_choice="some", points_some=300, remarks="急ぎません")
    person = Recipient(name="山田 太郎", kana="ヤマダ タロウ", phone="0312345678")
    chosen = await world.updated(chosen, recipient=person, keep_card=False)

    back = await world.opened(member, sku="key-ic", quantity=2)

    assert back.order_id == chosen.order_id
    assert (back.lines[0].sku, back.lines[0].quantity) == ("key-ic", 2)
    kept = {"coupon_code", "points_choice", "points_some", "remarks", "recipient", "means", "card", "keep_card"}
    assert back.model_dump(include=kept) == chosen.model_dump(include=kept)


@pytest.mark.rule("SK-22")
async def test_a_dropped_order_is_gone_and_says_nothing_of_people_any_more(world: World, member: str) -> None:
    view = await world.ready(member)
    await world.snapshot(view)

    await world.store.checkouts.drop(
        SPAREKEY, DropCheckout(request_id=request_id(), order_id=view.order_id, member_id=member)
    )

    with pytest.raises(NotFound):
        await world.store.checkouts.get(as_member(member), view.order_id)
    row = await world.row(view.order_id)
    assert (row.state, row.address, row.recipient) == ("dropped", {}, {})
    assert await world.scalar("select count(*) from snapshots where order_id = :o", o=view.order_id) == 0
    assert (await world.opened(member)).order_id != view.order_id


async def test_an_order_that_is_placed_is_dropped_no_more(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(OrderAlreadyPlaced):
        await world.store.checkouts.drop(
            SPAREKEY, DropCheckout(request_id=request_id(), order_id=order.order_id, member_id=member)
        )


@pytest.mark.rule("ST-03")
async def test_a_price_that_changed_is_said_until_it_was_shown_to_be_chosen_with(world: World, member: str) -> None:
    sku = request_id()
    await reprice(world, sku, 1_000)
    view = await world.opened(member, sku=sku)

    await reprice(world, sku, 1_200)

    shown = await world.store.checkouts.get(as_member(member), view.order_id)
    assert ("price-changed" in shown.notices, shown.totals.goods) == (True, 1_200)
    chosen = await world.updated(view, remarks="はい")
    assert "price-changed" in chosen.notices
    assert "price-changed" not in (await world.updated(chosen, remarks="では")).notices


@pytest.mark.rule("ST-03")
async def test_points_that_are_gone_and_a_coupon_that_is_over_are_said(world: World, member: str) -> None:
    world.neighbours.points = 500
    code = await world.coupon(last_day=NOW.date())
    view = await world.ready(member, points_choice="some", points_some=500, coupon_code=code)
    assert (view.totals.points, view.totals.coupon) == (500, 500)

    world.neighbours.points = 200
    world.clock.advance(timedelta(days=1))

    shown = await world.store.checkouts.get(as_member(member), view.order_id)
    assert {"points-reduced", "coupon-over"} <= set(shown.notices)
    assert (shown.totals.points, shown.totals.coupon) == (200, 0)


@pytest.mark.rule("SK-20")
@pytest.mark.parametrize(
    ("choice", "some", "used"), [("none", 0, 0), ("some", 1, 1), ("some", 700, 700), ("all", 0, 3_300)]
)
async def test_some_all_or_no_points_are_used(world: World, member: str, choice: str, some: int, used: int) -> None:
    world.neighbours.points = 4_000

    view = await world.ready(member, points_choice=choice, points_some=some)

    assert (view.totals.points, view.totals.due) == (used, 3_300 - used)
    assert view.points_available == 4_000


@pytest.mark.parametrize(("some", "code"), [(0, "points-none"), (801, "points-too-many"), (3_301, "points-too-many")])
async def test_points_that_cannot_be_used_are_refused_by_their_field(
    world: World, member: str, some: int, code: str
) -> None:
    world.neighbours.points = 800 if some < 3_000 else 10_000
    view = await world.opened(member)

    with pytest.raises(InvalidField) as refused:
        await world.updated(view, points_choice="some", points_some=some)

    assert fields(refused) == {"points_some": code}
    assert (await world.store.checkouts.get(as_member(member), view.order_id)).points_choice == "none"


@pytest.mark.parametrize("away", [Unavailable(), TooLate()], ids=["refuses", "hangs"])
async def test_without_the_ledger_the_page_is_shown_and_points_cannot_be_chosen(
    world: World, member: str, away: RuumError
) -> None:
    view = await world.ready(member)
    world.neighbours.points = away

    shown = await world.store.checkouts.get(as_member(member), view.order_id)
    assert shown.points_available == 0

    with pytest.raises(Unavailable):
        await world.updated(view, points_choice="all")


@pytest.mark.rule("SK-24")
async def test_the_recipient_is_the_orderer_until_another_is_named(world: World, member: str) -> None:
    view = await world.opened(member)
    assert view.recipient == Recipient(name="山田 花子", kana="ヤマダ ハナコ", phone="090-1234-5678")

    changed = await world.updated(
        view, recipient=Recipient(name=" 鈴木 一 ", kana="スズキ　ハジメ", phone="0312345678")
    )

    assert changed.recipient == Recipient(name="鈴木 一", kana="スズキ　ハジメ", phone="03-1234-5678")
    assert changed.address == view.address


@pytest.mark.parametrize(
    ("person", "wrong"),
    [
        (Recipient(name="A", kana="yamada", phone=""), {"recipient.kana": "kana-invalid"}),
        (Recipient(name="A", kana="ヤマダ", phone="12"), {"recipient.phone": "phone-invalid"}),
        (Recipient(name="A", kana="ヤマダ", phone="+1 212 555 0100 0"), {"recipient.phone": "phone-invalid"}),
    ],
)
async def test_a_recipient_that_cannot_be_is_refused_by_its_field(
    world: World, member: str, person: Recipient, wrong: dict[str, str]
) -> None:
    view = await world.opened(member)

    with pytest.raises(InvalidField) as refused:
        await world.updated(view, recipient=person)

    assert fields(refused) == wrong


@pytest.mark.rule("SK-25")
async def test_fourteen_days_are_offered_from_the_earliest_possible_delivery(world: World, member: str) -> None:
    view = await world.opened(member)

    # Seven business days after Friday the 3rd, and two days on the way.
    assert view.expected_dispatch_on == date(2026, 7, 14)
    assert view.wish_dates_offered == tuple(date(2026, 7, 16) + timedelta(days=n) for n in range(14))
    chosen = await world.updated(view, wish_date="2026-07-29")
    assert chosen.wish_date == date(2026, 7, 29)
    assert (await world.updated(chosen, wish_date="")).wish_date is None


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize(
    ("wish", "code"),
    [
        *((day, "wish-date-not-offered") for day in ("2026-07-15", "2026-07-30")),
        *((day, "day-not-in-calendar") for day in ("someday", "2026-13-01")),
    ],
)
async def test_a_day_that_is_not_offered_cannot_be_wished_for(world: World, member: str, wish: str, code: str) -> None:
    view = await world.opened(member)

    with pytest.raises(InvalidField) as refused:
        await world.updated(view, wish_date=wish)

    assert fields(refused) == {"wish_date": code}


async def test_a_wish_that_time_has_overtaken_is_said(world: World, member: str) -> None:
    view = await world.updated(await world.opened(member), wish_date="2026-07-16")

    world.clock.advance(timedelta(days=3))

    assert "wish-date-passed" in (await world.store.checkouts.get(as_member(member), view.order_id)).notices


@pytest.mark.rule("SK-23")
async def test_what_is_offered_to_pay_with_depends_on_what_is_due(world: World, member: str) -> None:
    world.neighbours.points = 100_000
    view = await world.opened(member)
    assert view.means_offered == ("card", "deferred", "epos")

    nearly = await world.updated(view, points_choice="some", points_some=3_300 - 49)
    assert nearly.means_offered == ("deferred", "epos")
    nothing = await world.updated(nearly, points_choice="all")
    assert (nothing.means_offered, nothing.means) == (("none",), "none")


async def test_means_that_are_not_offered_are_refused_by_their_field(world: World, member: str) -> None:
    view = await world.opened(member, sku="key-ic", quantity=10)

    with pytest.raises(InvalidField) as refused:
        await world.updated(view, means="deferred")

    assert fields(refused) == {"means": "means-not-offered"}


async def test_of_two_tabs_the_later_one_is_told_that_it_shows_what_was(world: World, member: str) -> None:
    view = await world.opened(member)
    await world.updated(view, remarks="one")

    with pytest.raises(Changed):
        await world.updated(view, remarks="two")


async def test_while_it_is_being_placed_nothing_of_it_is_changed(world: World, member: str) -> None:
    view = await world.ready(member)
    await world.begun(view)

    with pytest.raises(OrderBeingPlaced):
        await world.updated(view, remarks="late")
    with pytest.raises(OrderBeingPlaced):
        await world.opened(member)
    with pytest.raises(OrderBeingPlaced):
        await world.store.checkouts.drop(
            SPAREKEY, DropCheckout(request_id=request_id(), order_id=view.order_id, member_id=member)
        )


@pytest.mark.rule("PR-15")
async def test_another_members_checkout_is_not_found(world: World, member: str) -> None:
    view = await world.ready(member)
    stranger = new_member()

    for attempt in (
        world.store.checkouts.get(as_member(stranger), view.order_id),
        world.updated(view.model_copy(update={"member_id": stranger}), remarks="mine"),
        world.store.coupons.usable(as_member(stranger), view.order_id),
        world.store.checkouts.drop(
            SPAREKEY, DropCheckout(request_id=request_id(), order_id=view.order_id, member_id=stranger)
        ),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_lease_that_moved_is_said_and_followed(world: World, member: str) -> None:
    await world.opened(member)
    other = Address(postal_code="1500001", prefecture="東京都", city="渋谷区", street="神宮前2-2", building="")

    view = await world.opened(member, address=other)

    assert (view.address, view.notices) == (other, ("address-changed",))
