"""Words of maker and carriers lead to the same end, in whatever order they come (QA-06)."""

from __future__ import annotations

import asyncio
import itertools
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.chassis.ids import new_id
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State
from tests.sparekey.test_room_changes import both
from tests.sparekey.world import World, jst

# In every order, doubled.

SCAN, RETURN = "scan", "return"
STORIES: dict[str, tuple[str, list[tuple[str, datetime | None]], State]] = {
    "handed over at once": ("post", [("accepted", jst(2026, 4, 1, 13)), ("handed_over", jst(2026, 4, 2, 10))],
                            State.HANDED_OVER),
    "absent, then handed over": (
        "post",
        [
            ("absent", jst(2026, 4, 2, 10)),
            ("held", jst(2026, 4, 2, 20)),
            ("handed_over", jst(2026, 4, 5, 10)),
        ],
        State.HANDED_OVER,
    ),
    "absent twice": (
        "post",
        [("accepted", jst(2026, 4, 1, 13)), ("absent", jst(2026, 4, 2, 10)), ("absent", jst(2026, 4, 3, 10))],
        State.ABSENT,
    ),
    "absent and back": (
        "post",
        [("absent", jst(2026, 4, 2, 10)), ("returned", jst(2026, 4, 10, 10)), (RETURN, None)],
        State.RETURNED,
    ),
    "redirected and lost": (
        "post",
        [("accepted", jst(2026, 4, 1, 13)), ("redirected", jst(2026, 4, 2, 10)), ("lost", jst(2026, 4, 3, 10))],
        State.LOST,
    ),
    "lost and found": (
        "post",
        [("lost", jst(2026, 4, 2, 10)), ("absent", jst(2026, 4, 3, 10)), ("handed_over", jst(2026, 4, 4, 10))],
        State.HANDED_OVER,
    ),
    "paid on delivery": (
        "parcel",
        [
            ("accepted", jst(2026, 4, 1, 13)),
            ("collected", jst(2026, 4, 2, 10)),
            ("handed_over", jst(2026, 4, 2, 10)),
        ],
        State.HANDED_OVER,
    ),
    "refused on delivery": (
        "parcel",
        [("refused", jst(2026, 4, 2, 10)), ("returned", jst(2026, 4, 3, 10)), (RETURN, None)],
        State.RETURNED,
    ),
}  # fmt: skip
OUTCOME = (
    "state",
    "deadline",
    "patience_until",
    "remind_at",
    "needs_operator",
    "carrier",
    "last_scan_at",
    "absent_since",
    "returned_on",
    "collected_at",
    "redelivery",
)


async def like(world: World, order_id: str) -> str:
    """Another case that stands exactly where this one does."""
    columns = ", ".join(column.name for column in Case.table().columns if column.name != "order_id")
    copied = f"insert into sparekey.cases (order_id, {columns}) select :copy, {columns} from sparekey.cases"
    copy = new_id("ord")
    await world.database.transact(
        lambda tx: tx.execute(sa.text(f"{copied} where order_id = :id"), {"copy": copy, "id": order_id})
    )
    return copy


async def told_in(world: World, order_id: str, name: str, order: tuple[int, ...]) -> dict[str, Any]:
    """What is left of a case when the words of a story come in this order, each of them twice."""
    carrier, words, _ = STORIES[name]
    sent = {"order_ref": order_id, "tracking_number": order_id[-20:].upper()}
    messages = [world.signed("maker", "dispatched", **sent, carrier=carrier, making=1)]
    for kind, at in words:
        if kind == RETURN:
            messages.append(world.signed("maker", "returned", **sent, returned_on="2026-04-11"))
            continue
        partner = "post" if carrier == "post" else "carrier"
        event = {"tracking_number": order_id[-20:].upper(), "event_id": f"{order_id}-{kind}-{at}", "kind": kind}
        messages.append(world.signed(partner, "tracking", **event, occurred_at=(at or world.now).isoformat()))
    for place in order:
        assert [await world.receive(messages[place]) for _ in range(2)] == [False, True]
    case = await world.case(order_id)
    told = await world.rows("select code from sparekey.timeline where order_id = :id", id=order_id)
    return {field: getattr(case, field) for field in OUTCOME} | {"story": sorted(row.code for row in told)}


@pytest.mark.rule("QA-06")
@pytest.mark.parametrize("name", list(STORIES))
async def test_partners_words_lead_to_the_same_end_in_whatever_order_they_come(world: World, name: str) -> None:
    carrier, words, end = STORIES[name]
    pattern = await world.released() if carrier == "post" else await world.asked_again()
    if carrier == "parcel":
        await world.redeliver(pattern)

    orders = list(itertools.permutations(range(len(words) + 1)))
    ends = [await told_in(world, await like(world, pattern), name, order) for order in orders]

    assert ends[0]["state"] == end
    assert [end for end in ends if end != ends[0]] == []


@pytest.mark.rule("QA-06")
async def test_words_of_an_earlier_parcel_do_not_move_a_later_one(world: World) -> None:
    order_id = await world.sent()
    first = (await world.case(order_id)).tracking_number
    await world.returned(order_id, date(2026, 4, 1))
    await world.ask_redelivery(order_id)
    await world.redeliver(order_id)
    await world.dispatched(order_id, "", "parcel")
    version = (await world.case(order_id)).version

    await world.scan(first, "absent")
    await world.scan(first, "handed_over")
    await world.maker_says("returned", order_id, tracking_number=first, returned_on="2026-04-01")
    await world.maker_says("dispatched", order_id, tracking_number=first, carrier="post", making=1)

    assert (await world.case(order_id)).version == version


@pytest.mark.rule("QA-06")
async def test_two_words_at_once_are_both_taken(world: World) -> None:
    for _ in range(10):
        alone = World(world.database, world.keys_file)
        order_id = await alone.released()
        number = f"{order_id[-11:]}".upper()
        sent = {"order_ref": order_id, "tracking_number": number, "carrier": "post", "making": 1}
        scan = {"tracking_number": number, "event_id": f"{number}-1", "kind": "handed_over"}
        messages = [
            alone.signed("maker", "dispatched", **sent),
            alone.signed("post", "tracking", **scan, occurred_at=alone.now.isoformat()),
        ]

        await asyncio.gather(*(alone.receive(message) for message in messages))

        assert (await alone.case(order_id)).state == State.HANDED_OVER


async def test_a_key_that_left_without_our_release_calls_an_operator(world: World) -> None:
    order_id = await world.cut()

    await world.dispatched(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.READY, "dispatched-unreleased")


async def test_a_key_that_left_after_everything_was_given_back_calls_an_operator(world: World) -> None:
    order_id = await world.cut()
    await world.not_mine(order_id)
    for operator in ("op_sato", "op_tanaka"):
        await world.act(order_id, "reject_dispatch", operator)
    await world.stop(order_id)
    await world.close(order_id, State.CANCELLED)

    await world.dispatched(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.CANCELLED, "dispatched-unreleased")


@pytest.mark.parametrize(("way", "refused"), [("made", False), ("released", False), ("released", True)])
async def test_a_key_that_leaves_while_everything_is_given_back_calls_an_operator_and_stays_cancelled(
    world: World, way: str, refused: bool
) -> None:
    order_id = await getattr(world, way)()
    await world.not_mine(order_id)
    if way == "released":
        await both(world, order_id, "reject_dispatch")
    if refused:
        world.maker.refuses["stop"] = "order-unknown"
    told = await world.stop(order_id)

    await world.dispatched(order_id)
    seen = await world.case(order_id)
    closed = await world.close(order_id, State.CANCELLED)

    assert told.state == seen.state == State.CANCELLING
    assert seen.needs_operator == closed.needs_operator == "dispatched-unreleased"
    assert closed.state == State.CANCELLED


async def test_a_scan_from_a_clock_that_is_ahead_counts_from_now(world: World) -> None:
    order_id = await world.sent()
    number = (await world.case(order_id)).tracking_number

    await world.scan(number, "handed_over", at=world.now + timedelta(hours=9))

    case = await world.case(order_id)
    assert (case.state, case.handed_over_at) == (State.HANDED_OVER, world.now)


async def test_carriers_may_number_their_scans_alike(world: World) -> None:
    order_id = await world.sent()
    post = (await world.case(order_id)).tracking_number
    said = {"event_id": "1", "occurred_at": world.now.isoformat()}
    await world.receive(world.signed("post", "tracking", tracking_number=post, kind="accepted", **said))
    await world.returned(order_id, world.now.date())
    await world.ask_redelivery(order_id)
    await world.redeliver(order_id)
    parcel = await world.dispatched(order_id, "777788889999", "parcel")

    await world.receive(world.signed("carrier", "tracking", tracking_number=parcel, kind="handed_over", **said))

    assert (await world.case(order_id)).state == State.HANDED_OVER
