"""What members see of their points, and what the books say as a whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.chassis.caller import Caller
from services.chassis.errors import InvalidField, NotFound
from services.chassis.pages import Page
from services.points.ledger.domain import BalanceView, Lapse, OrderPoints
from tests.points.world import STORE, World, a_member, an_order

DAY = timedelta(days=1)


async def test_a_stranger_has_nothing(world: World) -> None:
    assert await world.balance(a_member()) == BalanceView()
    assert not (await world.entries(a_member())).items


async def test_a_balance_tells_all_that_a_member_has_and_what_lapses_when(world: World) -> None:
    member, order, use = a_member(), an_order(), an_order()
    await world.earned(member, 40)
    await world.limited(member, 10, world.today + DAY)
    await world.limited(member, 20, world.today + DAY)
    await world.placed(member, order, 1_200)
    await world.delivered(order)
    await world.hold(member, use, a=35)

    assert await world.balance(member) == BalanceView(
        available=35,
        held=35,
        pending=12,
        normal=35,
        limited=0,
        lapses=(Lapse(last_day=date(2028, 4, 12), points=35),),
        next_grant_on=date(2026, 4, 23),
    )


@pytest.mark.rule("PR-15")
async def test_a_member_sees_only_their_own_balance(world: World) -> None:
    mine, other = a_member(), a_member()
    await world.limited(other, 10, world.today)

    with pytest.raises(NotFound):
        await world.ledger.balance(Caller("member", mine), other)

    assert (await world.ledger.balance(Caller("member", mine), mine)).available == 0
    assert (await world.ledger.balance(STORE, other)).available == 10


async def test_the_store_says_whose_balance_it_asks_for(world: World) -> None:
    with pytest.raises(InvalidField):
        await world.ledger.balance(STORE, "")


@pytest.mark.rule("PR-16")
@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_entries_come_newest_first_in_pages_with_the_balance_after_each(world: World, size: int) -> None:
    member, order = a_member(), an_order()
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=4)
    await world.capture(order)
    await world.give_back(order, "a", 3)
    await world.placed(member, an_order(), 500)

    pages = [await world.entries(member, size=size)]
    await world.limited(member, 5, world.today)
    while pages[-1].next_cursor:
        pages.append(await world.entries(member, pages[-1].next_cursor, size))

    entries = [entry for page in pages for entry in page.items]
    assert [(entry.kind, entry.points, entry.balance_after) for entry in entries] == [
        ("pending", 5, 9),
        ("given-back", 3, 9),
        ("spent", 4, 6),
        ("held", 4, 6),
        ("granted", 10, 10),
    ]
    assert all(len(page.items) <= size for page in pages)
    assert {entry.order_id for entry in entries if entry.kind == "held"} == {order}
    assert {(entry.lot_kind, entry.campaign_id) for entry in entries if entry.kind == "granted"} == {
        ("limited", "spring")
    }


async def test_a_member_sees_only_their_own_entries_even_with_anothers_cursor(world: World) -> None:
    mine, other = a_member(), a_member()
    for member in (mine, other):
        for _ in range(3):
            await world.limited(member, 10, world.today)
    cursor = (await world.entries(other, size=1)).next_cursor

    assert not (await world.entries(mine, cursor)).items


@pytest.mark.parametrize("cursor", ["?", "AAAA", "Zm9v", "ありません", "A" * 400, "_" * 32])
async def test_a_cursor_that_was_not_issued_by_us_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await world.entries(a_member(), cursor)

    assert [violation.field for violation in refused.value.violations] == ["page.cursor"]


async def test_the_books_sum_to_zero_and_to_what_members_have(world: World) -> None:
    member, order = a_member(), an_order()
    await world.earned(member, 40)
    await world.limited(member, 10, world.today)
    await world.hold(member, order, a=20, b=5)
    await world.capture(order, "a")

    # Other tests have booked at later instants: all of them are in the stored balances.
    books = await world.ledger.trial_balance(datetime.max.replace(tzinfo=UTC))

    stored = await world.rows("select sum(available) as available, sum(held) as held from points.balances")
    sums = {account.account: account.points for account in books.accounts}
    assert books.sum == sum(sums.values()) == 0
    assert {"available": sums["available"], "held": sums["held"]} == {name: int(n) for name, n in stored[0].items()}


async def test_the_books_of_a_past_instant_leave_out_what_came_later(world: World) -> None:
    before = world.now
    world.pass_time(seconds=1)
    await world.limited(a_member(), 10, world.today)

    earlier, later = await world.ledger.trial_balance(before), await world.ledger.trial_balance(world.now)

    issued = [sum(it.points for it in books.accounts if it.account == "issued") for books in (earlier, later)]
    assert issued[0] - issued[1] >= 10


async def test_the_ledger_tells_what_it_knows_of_each_order(world: World) -> None:
    member, order, untouched = a_member(), an_order(), an_order()
    await world.limited(member, 100, world.today)
    await world.hold(member, order, a=30, b=20, c=10)
    await world.placed(member, order, 4_000)
    await world.capture(order, "a")
    await world.release(order, "b")
    await world.give_back(order, "a", 7)

    told = await world.ledger.orders([order, untouched], Page())

    assert told.items == [
        OrderPoints(order_id=order, held=10, captured=30, released=20, given_back=7, granted=0, pending=40)
    ]


@pytest.mark.rule("OP-06")
@pytest.mark.parametrize("account", ["available", "held", "pending", "debt"])
async def test_a_balance_that_is_not_the_sum_of_its_entries_is_named(world: World, account: str) -> None:
    member = a_member()
    await world.limited(member, 100, world.today)
    await world.hold(member, an_order(), a=30)
    before = await world.ledger.trial_balance(None)

    await spoil(world, member, account, 1)
    spoilt = await world.ledger.trial_balance(None)
    of_the_past = await world.ledger.trial_balance(world.now)
    await spoil(world, member, account, -1)

    assert (before.differing_member_ids, spoilt.differing_member_ids) == ((), (member,))
    assert of_the_past.differing_member_ids == ()


async def spoil(world: World, member: str, account: str, by: int) -> None:
    changed = sa.text(f"UPDATE points.balances SET {account} = {account} + :by WHERE member_id = :member")
    await world.database.transact(lambda tx: tx.execute(changed, {"by": by, "member": member}))


async def test_all_orders_that_the_ledger_knows_are_told_page_by_page(world: World) -> None:
    orders = [an_order() for _ in range(3)]
    for order in orders:
        await world.placed(a_member(), order, 1_000)

    pages = [await world.ledger.orders([], Page(size=2))]
    while pages[-1].next_cursor:
        pages.append(await world.ledger.orders([], Page(size=2, cursor=pages[-1].next_cursor)))

    ids = [one.order_id for page in pages for one in page.items]
    assert ids == sorted(set(ids))
    assert set(orders) <= set(ids)


@pytest.mark.parametrize("cursor", ["?", "aGVsbG8", "/w=="])
async def test_a_cursor_of_somebody_else_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidField):
        await world.ledger.orders([], Page(size=2, cursor=cursor))
