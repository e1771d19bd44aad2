"""What an order's page shows is what the order accepts, in every state, for every kind of member (SK-40)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from services.chassis.errors import RuumError
from services.chassis.ids import new_id
from services.sparekey.actions.models import TABLE, Action
from services.sparekey.cases import transitions
from services.sparekey.cases.transitions import State
from services.sparekey.desk.deeds import CLOSED_BY_DESK
from services.sparekey.making.verdicts import ADDRESS_CHANGED, NOT_CONFIRMED
from services.sparekey.ports import Answer
from services.sparekey.words.travel import SCAN_CODES
from services.texts import Texts
from services.texts.languages import LANGUAGES, Language
from tests.sparekey.house import House, jst, member
from tests.sparekey.neighbours import ended, lease

NOT_MINE, REDIRECT = Action.REPORT_NOT_MINE, Action.REPORT_MAIL_REDIRECT
REPLY, REDELIVER, WISH = Action.REPLY_KEY_NUMBER, Action.REQUEST_REDELIVERY, Action.CHOOSE_WISH_DATE


async def _stopped(house: House) -> str:
    order_id = await house.cut()
    await house.not_mine(order_id)
    return order_id


async def _wish_asked(house: House) -> str:
    order_id, _ = await house.ready_to_place()
    house.store.baskets[order_id].wish_date = house.now.date()
    await house.place(order_id, await house.review(order_id))
    await house.check(order_id)
    await house.checked(order_id, "exists")
    await house.order_keys(order_id)
    await house.maker_says("ready", order_id, making=1)
    await house.look(order_id)
    return order_id


async def _lost(house: House) -> str:
    order_id = await house.sent()
    await house.scan((await house.case(order_id)).tracking_number, "lost")
    return order_id


async def _handed_over(house: House) -> str:
    order_id = await house.sent()
    await house.scan((await house.case(order_id)).tracking_number, "handed_over")
    return order_id


async def _cancelling(house: House) -> str:
    order_id = await house.ordered()
    await house.not_mine(order_id)
    return order_id


async def _cancelled(house: House) -> str:
    order_id = await _cancelling(house)
    await house.close(order_id, State.CANCELLED)
    return order_id


async def _destroyed(house: House) -> str:
    order_id = await house.back()
    await house.act(order_id, "close_as_destroyed")
    return order_id


Way = Callable[[House], Awaitable[str]]
# Written by hand from the pages: what somebody who lives there can do, what somebody who has left can, what is next.
EXPECTED: dict[str, tuple[Way, set[Action], set[Action], str]] = {
    "checking": (House.ordered, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-number-checked"),
    "number-asked": (
        House.asked_for_number,
        {REPLY, NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-your-key-number",
    ),
    "accepted": (House.accepted, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-keys-ordered"),
    "making": (House.made, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-keys-cut"),
    "ready": (House.cut, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-dispatch"),
    "ready, wish overtaken": (
        _wish_asked,
        {WISH, NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-your-wish-date",
    ),
    "cleared": (House.cleared, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-payment-made"),
    "stopped": (_stopped, {REDIRECT}, {REDIRECT}, "key-next-decision"),
    "released": (House.released, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-handed-to-post"),
    "dispatched": (House.sent, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-delivery"),
    "absent": (House.missed, {NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-arrange-with-post"),
    "returned": (House.back, {REDELIVER, NOT_MINE, REDIRECT}, {NOT_MINE, REDIRECT}, "key-next-your-redelivery"),
    "redelivery-requested": (
        House.asked_again,
        {NOT_MINE, REDIRECT},
        {NOT_MINE, REDIRECT},
        "key-next-redelivery-arranged",
    ),
    "redelivering": (
        House.on_its_way_again,
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


async def asks(house: House, action: Action, order_id: str) -> None:
    match action:
        case Action.REPLY_KEY_NUMBER:
            await house.reply(order_id)
        case Action.REQUEST_REDELIVERY:
            await house.ask_redelivery(order_id)
        case Action.REPORT_NOT_MINE:
            await house.not_mine(order_id)
        case Action.REPORT_MAIL_REDIRECT:
            await house.mail_redirect(order_id)
        case _:
            await house.choose_wish(order_id, None)


async def accepted(house: House, action: Action, order_id: str) -> bool:
    try:
        await asks(house, action, order_id)
    except RuumError:
        return False
    return True


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("name", list(EXPECTED))
async def test_the_actions_shown_are_exactly_the_actions_accepted(house: House, name: str) -> None:
    way, resident, former, _ = EXPECTED[name]
    order_id = await way(house)

    for standing, permission in STANDING.items():
        house.rooms.leases[house.member_id, house.room_id] = permission
        expected = resident if standing in LIVES_THERE else former
        assert set((await house.seen(order_id)).outlook.actions) == expected, standing
        version = (await house.case(order_id)).version
        for action in {REPLY, REDELIVER, WISH, NOT_MINE, REDIRECT} - expected:
            assert not await accepted(house, action, order_id), (standing, action)
        assert (await house.case(order_id)).version == version

    for action in resident | former:
        alone = House(house.database, house.keys_file)
        fresh = await way(alone)
        if action in former:
            alone.leaves()
        assert await accepted(alone, action, fresh), action


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("name", list(EXPECTED))
async def test_the_page_says_what_happens_next_in_every_state(house: House, name: str) -> None:
    way, _, _, following = EXPECTED[name]

    seen = await house.seen(await way(house))

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
async def test_the_page_says_until_when(house: House, name: str, until: object) -> None:
    seen = await house.seen(await EXPECTED[name][0](house))

    assert seen.outlook.until == until


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize(
    ("way", "action", "end"),
    [(House.asked_for_number, REPLY, jst(2026, 4, 9)), (House.back, REDELIVER, jst(2026, 5, 1))],
)
async def test_what_is_too_late_is_not_shown_although_no_timer_has_come_yet(
    house: House, way: Way, action: Action, end: datetime
) -> None:
    order_id = await way(house)
    house.go_to(end - timedelta(seconds=1))
    assert action in (await house.seen(order_id)).outlook.actions

    house.pass_time(seconds=1)

    seen = await house.seen(order_id)
    assert action not in seen.outlook.actions
    assert seen.outlook.next in {"key-next-number-asked", "key-next-storage-ends"}


@pytest.mark.rule("SK-38")
async def test_another_means_is_offered_where_the_store_asks_for_it(house: House) -> None:
    order_id = await house.cleared()
    house.store.baskets[order_id].means_wanted = True

    seen = await house.seen(order_id)

    assert Action.CHANGE_MEANS in seen.outlook.actions
    assert seen.outlook.next == "key-next-your-means"


async def test_the_payer_is_sent_to_the_partners_page_while_it_waits(house: House) -> None:
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("requires-action", redirect_url="https://pay.example/1")
    await house.place(order_id, snapshot_hash)
    until = house.now + timedelta(minutes=30)
    house.store.baskets[order_id].payer_awaited_until = until

    waiting = await house.seen(order_id)
    house.pass_time(minutes=30)

    assert (waiting.outlook.actions, waiting.outlook.until) == ((Action.PAY_AT_PARTNER,), until)
    assert (await house.seen(order_id)).outlook.actions == ()


@pytest.mark.rule("SK-40")
async def test_a_payer_who_chose_another_means_after_the_order_is_sent_to_the_partners_page_too(house: House) -> None:
    order_id = await house.cleared()
    until = house.now + timedelta(minutes=30)
    house.store.baskets[order_id].payer_awaited_until = until

    seen = await house.seen(order_id)

    assert Action.PAY_AT_PARTNER in seen.outlook.actions
    assert (seen.outlook.next, seen.outlook.until) == ("key-next-your-payment", until)


async def test_own_orders_stay_readable_while_rooms_and_store_are_silent(house: House) -> None:
    order_id = await house.asked_for_number()
    house.rooms.silent = house.store.silent = True

    seen = await house.seen(order_id)

    assert seen.order is None
    assert set(seen.outlook.actions) == {NOT_MINE, REDIRECT}


async def test_another_members_order_is_not_there(house: House) -> None:
    order_id = await house.ordered()
    stranger = member(new_id("mem"))

    with pytest.raises(RuumError, match="not-found"):
        await house.domain.orders.get(stranger, order_id)


async def test_a_draft_is_no_order_yet(house: House) -> None:
    order_id = (await house.draft()).case.order_id

    with pytest.raises(RuumError, match="not-found"):
        await house.seen(order_id)
    assert await house.domain.orders.page(house.member, "", 10) == []


# What is said.

REASONS = [
    NOT_CONFIRMED,
    "storage-ended",
    "reported-not-mine",
    "mail-redirect",
    "lease-ended",
    "lease-not-begun",
    "not-registered",
    "kind-may-not",
    "contractor-left",
    ADDRESS_CHANGED,
    "maker-refused",
    "parcel-lost",
    CLOSED_BY_DESK,
]
TOLD = [
    "key-ordered",
    "key-number-asked",
    "key-number-replied",
    "key-number-accepted",
    "key-number-not-confirmed",
    "key-late-reply",
    "keys-ordered",
    "keys-remade",
    "key-ready",
    "key-made-again",
    "key-wish-date-passed",
    "key-wish-date-chosen",
    "key-goes-without-wish",
    "key-dispatch-released",
    "key-dispatch-stopped",
    "key-dispatch-let-go",
    "key-dispatch-rejected",
    "key-dispatched",
    "key-hold-ended",
    "key-returned",
    "key-redelivery-requested",
    "key-redelivery-arranged",
    "key-reminded-held-at-post",
    "key-reminded-storage-ends",
    "key-storage-ended",
    "key-destroyed-by-maker",
    "key-destroyed",
    "key-reported-not-mine",
    "key-mail-redirect",
    "key-refund-decided",
    "key-order-cancelled",
    "key-order-destroyed",
    *SCAN_CODES,
]
NEXT = [
    *(row.next for row in TABLE.values()),
    "key-next-your-wish-date",
    "key-next-your-means",
    "key-next-your-payment",
    "key-next-number-asked",
    "key-next-storage-ends",
    "key-next-keys-remade",
]


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_the_page_says_is_written_in_every_language(language: Language) -> None:
    written = Texts.load().codes(language)

    said = {*TOLD, *NEXT, *(f"key-reason-{reason}" for reason in REASONS)}
    assert said - set(written) == set()


@pytest.mark.rule("SK-40")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_line_of_a_long_story_can_be_read_in_every_language(house: House, language: Language) -> None:
    order_id = await house.asked_for_number()
    await house.reply(order_id)
    await house.check(order_id)
    await house.checked(order_id, "exists")
    await house.order_keys(order_id)
    await house.maker_says("ready", order_id, making=1)
    await house.look(order_id)
    await house.release(order_id)
    await house.dispatched(order_id)
    await house.scan((await house.case(order_id)).tracking_number, "absent")
    house.go_to(jst(2026, 4, 2, 10))
    await house.remind(order_id)
    await house.returned(order_id, house.now.date())
    await house.ask_redelivery(order_id)
    await house.maker_says("destroyed", order_id, destroyed_on="2026-04-02")
    texts = Texts.load()

    story = (await house.seen(order_id)).story
    lines = [texts.render(it.code, language, **it.params) for it in story]

    assert len(lines) == 13
    assert not [line for line in lines if "{" in line]
