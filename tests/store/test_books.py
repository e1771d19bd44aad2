from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.pages import Page
from services.chassis.partners import OutcomeUnknown
from services.store.books.domain import Book
from services.store.intents.models import PartnerCall
from tests.store.world import World, as_member, new_member


async def book_of(world: World, order_id: str) -> Book:
    """The book of an order, found as whoever compares books finds it: page by page."""
    cursor = ""
    while True:
        listed = await world.store.books.listed(Page(size=100, cursor=cursor))
        for book in listed.books:
            if book.order.order_id == order_id:
                return book
        assert listed.next_cursor, "not in the books"
        cursor = listed.next_cursor


@pytest.mark.rule("OP-06")
async def test_an_orders_money_stands_beside_the_partners_word(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.captured(order.order_id)

    book = await book_of(world, order.order_id)

    assert (book.authorised, book.captured, book.refunded, book.open_intents) == (3_300, 3_300, 0, 0)
    assert book.partner_state == "captured"


@pytest.mark.rule("OP-06")
async def test_what_the_partner_did_behind_our_back_shows(world: World, member: str) -> None:
    order = await world.placed(member)
    world.card.decide(order.order_id, "voided")

    book = await book_of(world, order.order_id)

    assert book.order.payment is not None
    assert (book.order.payment.state, book.partner_state) == ("authorised", "voided")


async def test_a_call_without_an_outcome_is_counted_and_a_silent_partner_is_unknown(world: World, member: str) -> None:
    view = await world.ready(member)
    await world.begun(view)
    world.card.faults.calls.append("lost")
    await world.authorised(view.order_id)
    world.card.faults.down = True

    book = await book_of(world, view.order_id)

    assert (book.open_intents, book.partner_state) == (1, "unknown")


async def test_a_silent_partner_is_asked_once_a_page(world: World, member: str) -> None:
    for _ in range(3):
        await world.placed(member)
    asked: list[str] = []

    def silent(call: PartnerCall) -> None:
        asked.append(call.order_id)
        raise OutcomeUnknown(answered=False)

    world.card.tampered = silent
    pages, cursor = 0, ""
    while pages == 0 or cursor:
        cursor = (await world.store.books.listed(Page(size=100, cursor=cursor))).next_cursor
        pages += 1

    assert 0 < len(asked) <= pages


async def test_money_paid_back_and_orders_that_cost_nothing_are_told_apart(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.captured(order.order_id)
    await world.cancelled(order.order_id)
    world.neighbours.points = 10_000
    view = await world.updated(await world.opened(free := new_member()), points_choice="all")
    assert free
    await world.begun(view)
    await world.authorised(view.order_id)

    assert (await book_of(world, order.order_id)).partner_state == "refunded"
    assert (await book_of(world, view.order_id)).partner_state == "none-needed"


async def test_the_books_are_listed_oldest_first(world: World, member: str) -> None:
    orders = []
    for _ in range(3):
        orders.append((await world.placed(member)).order_id)
        world.clock.advance(timedelta(seconds=1))

    ids: list[str] = []
    cursor = ""
    while True:
        listed = await world.store.books.listed(Page(size=100, cursor=cursor))
        ids += [book.order.order_id for book in listed.books]
        cursor = listed.next_cursor
        if not cursor:
            break

    assert ids == sorted(ids)
    assert set(orders) <= set(ids)


@pytest.mark.rule("OP-06")
async def test_money_that_an_earlier_try_still_holds_shows_after_the_order_was_paid_otherwise(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await world.ready(member)
    await world.begun(view)
    await world.authorised(view.order_id)
    monkeypatch.setattr(world.card, "_void", lambda call: world.card.account(call.order_id))
    await world.abandoned(view.order_id)
    again = await world.updated(await world.store.checkouts.get(as_member(member), view.order_id), means="epos")
    await world.begun(again, attempt=2)
    await world.authorised(view.order_id, attempt=2)
    world.epos.decide(view.order_id, "authorised", ordinal=2)
    await world.authorised(view.order_id, attempt=2)
    await world.confirmed(view.order_id, attempt=2)

    book = await book_of(world, view.order_id)
    world.card.faults.down = True
    by_us = await book_of(world, view.order_id)

    assert (book.partner_state, book.open_intents, book.left_behind) == ("authorised", 0, 3_300)
    assert by_us.left_behind == 3_300


async def test_what_arrived_at_the_partner_after_it_was_given_up_shows(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.cancelled(order.order_id)
    at_peace = await book_of(world, order.order_id)
    view = await world.ready(new_member())
    await world.begun(view)
    await world.authorised(view.order_id)
    await world.abandoned(view.order_id)
    world.card.decide(view.order_id, "authorised")

    book = await book_of(world, view.order_id)

    assert at_peace.left_behind == 0
    assert (book.order.payment, book.left_behind) == (None, 3_300)


AS_COUNTED = """
UPDATE store.coupons c SET used =
    (SELECT count(*) FROM store.redemptions r WHERE r.code = c.code AND r.undone_at IS NULL)"""


async def spoil(world: World, statement: str, **values: str) -> None:
    await world.database.transact(lambda tx: tx.execute(sa.text(statement), values))


@pytest.mark.rule("OP-06")
async def test_sums_that_are_not_those_of_their_rows_are_named_and_no_coupons_code_is(
    world: World, member: str
) -> None:
    code = await world.coupon()
    order = await world.placed(member, "deferred", coupon_code=code)
    about = {"member": member, "order": order.order_id, "code": code}
    sums = {
        ("credit", member): "UPDATE store.credits SET outstanding = outstanding {} 1 WHERE member_id = :member",
        ("coupon-uses", member): "UPDATE store.coupon_uses SET used = used {} 1 WHERE member_id = :member",
        ("coupons", "coupons"): "UPDATE store.coupons SET used = used {} 1 WHERE code = :code",
        ("redemption", order.order_id): "UPDATE store.redemptions SET amount = amount {} 1 WHERE order_id = :order",
    }
    await spoil(world, AS_COUNTED)  # what other tests have set by hand
    before = {(one.kind, one.of) for one in await world.store.books.differing()}

    async def named() -> set[tuple[str, str]]:
        return {(one.kind, one.of) for one in await world.store.books.differing()} - before

    for wrong, statement in sums.items():
        asked = {name: value for name, value in about.items() if f":{name}" in statement}
        await spoil(world, statement.format("+"), **asked)
        assert await named() == {wrong}
        await spoil(world, statement.format("-"), **asked)

    assert not before & sums.keys()


@pytest.mark.rule("OP-06")
async def test_an_order_whose_coupon_was_used_up_before_it_was_placed_has_nothing_to_differ(world: World) -> None:
    code = await world.coupon(uses_total=1)
    late = await world.ready(new_member(), coupon_code=code)
    first = await world.placed(new_member(), coupon_code=code)
    await world.begun(late)
    await world.authorised(late.order_id)
    second = await world.confirmed(late.order_id)

    differing = {one.of for one in await world.store.books.differing()}

    assert [order.totals.coupon > 0 for order in (first, second)] == [True, False]
    assert not differing & {first.order_id, second.order_id}
