"""What an order's page shows is what the order accepts, in every state, for every kind of member (SK-40)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from services.chassis.errors import RuumError
from services.chassis.ids import new_id
from services.chassis.pages import Page
from services.sparekey.cases import transitions
from services.sparekey.cases.transitions import State
from services.sparekey.members.models import TABLE, Action
from services.sparekey.ports import Answer
from tests.sparekey.neighbours import ended, lease
from tests.sparekey.world import World, jst, member

NOT_MINE, REDIRECT = Action.REPORT_NOT_MINE, Action.REPORT_MAIL_REDIRECT
REPLY, REDELIVER, WISH = Action.REPLY_KEY_NUMBER, Action.REQUEST_REDELIVERY, Action.CHOOSE_WISH_DATE


async def _stopped(world: World) -> str:
    order_id = await world.cut()
    await world.not_mine(order_id)
    return order_id


async def _wish_asked(world: World) -> str:
    order_id, _ = await world.ready_to_place()
    world.store.baskets[order_id].wish_date = world.now.date()
    await world.place(order_id, await world.review(order_id))
    await world.check(order_id)
    await world.checked(order_id, "exists")
    await world.order_keys(order_id)
    await world.maker_says("ready", order_id, making=1)
    await world.look(order_id)
    return order_id


async def _lost(world: World) -> str:
    order_id = await world.sent()
    await world.scan((await world.case(order_id)).tracking_number, "lost")
    return order_id


async def _handed_over(world: World) -> str:
    order_id = await world.sent()
    await world.scan((await world.case(order_id)).tracking_number, "handed_over")
    return order_id


async def _cancelling(world: World) -> str:
    order_id = await world.ordered()
    await world.not_mine(order_id)
    return order_id


async def _cancelled(world: World) -> str:
    order_id = await _cancelling(world)
    await world.close(order_id, State.CANCELLED)
    return order_id


async def _destroyed(world: World) -> str:
    order_id = await world.back()
    await world.act(order_id, "close_as_destroyed")
    return order_id


Way = Callable[[World], Awaitable[str]]
# Written by hand from the pages: what somebody who lives there can do, what somebody who has left can, what is next.
EXPECTED: dict[str, tuple[Way, set[Action], set[Action], str]] = {
    "checking": (World.ordered, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-number-checked"),
    "number-asked": (
        World.asked_for_number,
        {REPLY, NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-your-key-number",
    ),
    "accepted": (World.accepted, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-keys-ordered"),
    "making": (World.made, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-keys-cut"),
    "ready": (World.cut, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-dispatch"),
    "ready, wish overtaken": (
        _wish_asked,
        {WISH, NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-your-wish-date",
    ),
    "cleared": (World.cleared, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-payment-made"),
    "stopped": (_stopped, {REDIRECT}, {REDIRECT}, "key-next-decision"),
    "released": (World.released, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-handed-to-post"),
    "dispatched": (World.sent, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-delivery"),
    "absent": (World.missed, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-arrange-with-post"),
    "returned": (World.back, {REDELIVER, NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-your-redelivery"),
    "redelivery-requested": (
        World.asked_again,
        {NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-redelivery-arranged",
    ),
    "redelivering": (
        World.on_its_way_again,
        {NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-redelivery",
    ),
    "handed-over": (_handed_over, set(), set(), "key-next-nothing"),
    "lost": (_lost, set(), set(), "key-next-lost-decision"),
    "cancelling": (_cancelling, set(), set(), "key-next-everything-back"),
    "cancelled": (_cancelled, set(), set(), "key-next-nothing-cancelled"),
    "destroyed": (_destroyed, set(), set(), "key-next-nothing-destroyed"),
}
STANDING = {
    "primary": lease(),
    "family": lease(),
    "corporate": lease(),
    "corporate family": lease(),
    "lease ended": ended(),
    "removed": ended("not-registered"),
    "contractor left": ended("contractor-left"),
}
LIVES_THERE = {"primary", "family", "corporate", "corporate family"}


async def asks(world: World, action: Action, order_id: str) -> None:
    match action:
        case Action.REPLY_KEY_NUMBER:
            await world.reply(order_id)
        case Action.REQUEST_REDELIVERY:
            await world.ask_redelivery(order_id)
        case Action.REPORT_NOT_MINE:
            await world.not_mine(order_id)
        case Action.REPORT_MAIL_REDIRECT:
            await world.mail_redirect(order_id)
        case _:
            await world.choose_wish(order_id, None)


async def accepted(world: World, action: Action, order_id: str) -> bool:
    try:
        await asks(world, action, order_id)
    except RuumError:
        return False
    return True


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("name", list(EXPECTED))
async def test_the_actions_shown_are_exactly_the_actions_accepted(world: World, name: str) -> None:
    way, resident, former, _ = EXPECTED[name]
    order_id = await way(world)

    for standing, permission in STANDING.items():
        world.rooms.leases[world.member_id, world.room_id] = permission
        expected = resident if standing in LIVES_THERE else former
        assert set((await world.seen(order_id)).outlook.actions) == expected, standing
        version = (await world.case(order_id)).version
        for action in {REPLY, REDELIVER, WISH, NOT_MINE, REDIRECT} - expected:
            assert not await accepted(world, action, order_id), (standing, action)
        assert (await world.case(order_id)).version == version

    for action in resident | former:
        alone = World(world.database, world.keys_file)
        fresh = await way(alone)
        if action in former:
            alone.leaves()
        assert await accepted(alone, action, fresh), action


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("name", list(EXPECTED))
async def test_the_page_says_what_happens_next_in_every_state(world: World, name: str) -> None:
    way, _, _, following = EXPECTED[name]

    seen = await world.seen(await way(world))

    assert seen.case.state == name.partition(",")[0]
    assert seen.outlook.next == following


def test_every_state_stands_in_the_table() -> None:
    assert set(TABLE) == set(State)
    assert {state for cause in transitions.TABLE.values() for state in cause} <= set(State)


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("checking", jst(2026, 4, 11)),
        ("number-asked", jst(2026, 4, 9)),
        ("making", jst(2026, 4, 11)),
        ("released", jst(2026, 4, 11)),
        ("dispatched", jst(2026, 4, 16)),
        ("absent", jst(2026, 4, 9)),
        ("returned", jst(2026, 5, 1)),
        ("redelivering", jst(2026, 4, 16)),
        ("handed-over", None),
        ("cancelled", None),
        ("destroyed", None),
    ],
)
async def test_the_page_says_until_when(world: World, name: str, until: object) -> None:
    seen = await world.seen(await EXPECTED[name][0](world))

    assert seen.outlook.until == until


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize(
    ("way", "action", "end"),
    [(World.asked_for_number, REPLY, jst(2026, 4, 9)), (World.back, REDELIVER, jst(2026, 5, 1))],
)
async def test_what_is_too_late_is_not_shown_although_no_timer_has_come_yet(
    world: World, way: Way, action: Action, end: datetime
) -> None:
    order_id = await way(world)
    world.go_to(end - timedelta(seconds=1))
    assert action in (await world.seen(order_id)).outlook.actions

    world.pass_time(seconds=1)

    seen = await world.seen(order_id)
    assert action not in seen.outlook.actions
    assert seen.outlook.next in {"key-next-number-asked", "key-next-storage-ends"}


@pytest.mark.rule("SK-38")
async def test_another_means_is_offered_where_the_store_asks_for_it(world: World) -> None:
    order_id = await world.cleared()
    world.store.baskets[order_id].means_wanted = True

    seen = await world.seen(order_id)

    assert Action.CHANGE_MEANS in seen.outlook.actions
    assert seen.outlook.next == "key-next-your-means"


async def test_the_payer_is_sent_to_the_partners_page_while_it_waits(world: World) -> None:
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("requires-action", redirect_url="https://pay.example/1")
    await world.place(order_id, snapshot_hash)
    until = world.now + timedelta(minutes=30)
    world.store.baskets[order_id].payer_awaited_until = until

    waiting = await world.seen(order_id)
    world.pass_time(minutes=30)

    assert (waiting.outlook.actions, waiting.outlook.until) == ((Action.PAY_AT_PARTNER,), until)
    assert (await world.seen(order_id)).outlook.actions == ()


@pytest.mark.rule("SK-40")
async def test_a_payer_who_chose_another_means_after_the_order_is_sent_to_the_partners_page_too(world: World) -> None:
    order_id = await world.cleared()
    until = world.now + timedelta(minutes=30)
    world.store.baskets[order_id].payer_awaited_until = until

    seen = await world.seen(order_id)

    assert Action.PAY_AT_PARTNER in seen.outlook.actions
    assert (seen.outlook.next, seen.outlook.until) == ("key-next-your-payment", until)


async def test_own_orders_stay_readable_while_rooms_and_store_are_silent(world: World) -> None:
    order_id = await world.asked_for_number()
    world.rooms.silent = world.store.silent = True

    seen = await world.seen(order_id)

    assert seen.order is None
    assert set(seen.outlook.actions) == {NOT_MINE, REDIRECT}


async def test_another_members_order_is_not_there(world: World) -> None:
    order_id = await world.ordered()
    stranger = member(new_id("mem"))

    with pytest.raises(RuumError, match="not-found"):
        await world.domain.orders.get(stranger, order_id)


async def test_a_draft_is_no_order_yet(world: World) -> None:
    order_id = (await world.draft()).case.order_id

    with pytest.raises(RuumError, match="not-found"):
        await world.seen(order_id)
    assert (await world.domain.orders.list(world.member, Page())).items == []
