"""What operators can do on a running case (SK-50, OP-02)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import InvalidField, NotFound
from services.chassis.ids import new_id
from services.chassis.pages import Page
from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import DeskReferenceUnknown, OperatorActionNotPossible
from services.sparekey.desk.domain import OperatorActionUnknown
from services.sparekey.ports import LeaseEnded
from tests.sparekey.world import World, jst
from workflows.sparekey_order.actions import ACTIONS

SECOND = timedelta(seconds=1)

# Written by hand from SK-50: in which states each action is possible; everywhere else it is refused by name.
POSSIBLE: dict[str, set[str]] = {
    "accept_key_number": {"ordered", "asked_for_number"},
    "refuse_key_number": {"ordered", "accepted"},
    "mark_arranged": {"accepted"},
    "mark_dispatched": {"released"},
    "record_carrier_event": {"sent", "missed", "on_its_way_again"},
    "order_redelivery": {"back"},
    "record_collected": {"on_its_way_again"},
    "release_dispatch": {"stopped"},
    "reject_dispatch": {"stopped"},
    "close_as_destroyed": {"back"},
    "decide": set(),
    "try_again": set(),
}
WAYS = [
    "ordered",
    "asked_for_number",
    "accepted",
    "made",
    "cut",
    "cleared",
    "stopped",
    "released",
    "sent",
    "missed",
    "back",
    "asked_again",
    "on_its_way_again",
]
ARGUMENTS = {
    "mark_dispatched": {"tracking_number": "12345678901"},
    "record_carrier_event": {"event": "scanned"},
    "decide": {"decision": "refund"},
}


async def possible(world: World, order_id: str, action: str) -> bool:
    arguments: dict[str, str] = dict(ARGUMENTS.get(action, {}))
    if action == "accept_key_number":
        arguments["reference"] = await world.desk_number(order_id)
    if action == "mark_dispatched":
        arguments["tracking_number"] = order_id[-20:].upper()
    try:
        await world.act(order_id, action, **arguments)
    except OperatorActionNotPossible:
        return False
    return True


@pytest.mark.rule("SK-50")
@pytest.mark.parametrize("way", WAYS)
async def test_an_action_is_possible_where_it_makes_sense_and_refused_everywhere_else(world: World, way: str) -> None:
    order_id = str(await getattr(world, way)())
    version = (await world.case(order_id)).version
    allowed = {name for name, ways in POSSIBLE.items() if way in ways}

    for action in set(POSSIBLE) - allowed - {"try_again"}:
        assert not await possible(world, order_id, action), action
    assert (await world.case(order_id)).version == version
    for action in allowed:
        alone = World(world.database, world.keys_file)
        assert await possible(alone, str(await getattr(alone, way)()), action), action


def test_every_action_that_the_process_offers_is_known_here() -> None:
    assert set(POSSIBLE) == set(ACTIONS)


async def test_an_action_that_does_not_exist_is_named_so(world: World) -> None:
    order_id = await world.ordered()

    with pytest.raises(OperatorActionUnknown):
        await world.act(order_id, "give_it_away")
    with pytest.raises(NotFound):
        await world.act(new_id("ord"), "try_again")


@pytest.mark.rule("OP-02")
async def test_every_action_stands_in_the_audit_with_who_why_and_what(world: World) -> None:
    order_id = await world.released()
    version = (await world.case(order_id)).version

    await world.act(order_id, "mark_dispatched", "op_tanaka", tracking_number=order_id[-20:].upper())

    (audit,) = await world.rows("select * from sparekey.audits where order_id = :id", id=order_id)
    assert (audit.operator, audit.action, audit.reason, audit.case_version, audit.acted_at) == (
        "op_tanaka",
        "mark_dispatched",
        "checked",
        version,
        world.now,
    )
    assert audit.arguments == {"tracking_number": order_id[-20:].upper()}


async def test_a_refused_action_leaves_no_trace(world: World) -> None:
    order_id = await world.made()

    with pytest.raises(OperatorActionNotPossible):
        await world.act(order_id, "order_redelivery")

    assert await world.rows("select 1 from sparekey.audits where order_id = :id", id=order_id) == []


# A number at the desk.


@pytest.mark.rule("SK-14")
async def test_a_number_entered_at_the_desk_is_accepted_by_its_reference_alone(world: World) -> None:
    order_id = await world.asked_for_number()
    reference = await world.desk_number(order_id, "EF56GH78")

    case = await world.act(order_id, "accept_key_number", reference=reference)
    await world.check(order_id)

    assert (case.state, case.check_round) == (State.CHECKING, 2)
    assert reference.startswith("ref_")
    assert world.maker.did("check", order_id)[-1]["number"] == "EF56GH78"
    (audit,) = await world.rows("select arguments from sparekey.audits where order_id = :id", id=order_id)
    assert audit.arguments == {"reference": reference}


@pytest.mark.rule("SK-14")
async def test_a_reference_serves_once_for_a_day_and_for_its_order(world: World) -> None:
    order_id, other = await world.asked_for_number(), World(world.database, world.keys_file)
    another = await other.asked_for_number()
    reference = await world.desk_number(order_id)
    with pytest.raises(DeskReferenceUnknown):
        await other.act(another, "accept_key_number", reference=reference)
    await world.act(order_id, "accept_key_number", reference=reference)
    with pytest.raises(DeskReferenceUnknown):
        await world.act(order_id, "accept_key_number", reference=reference)


@pytest.mark.rule("SK-14")
@pytest.mark.parametrize(("age", "living"), [(timedelta(hours=24) - SECOND, True), (timedelta(hours=24), False)])
async def test_a_reference_lapses_after_a_day(world: World, age: timedelta, living: bool) -> None:
    order_id = await world.asked_for_number()
    reference = await world.desk_number(order_id)
    world.pass_time(seconds=age.total_seconds())

    if living:
        assert (await world.act(order_id, "accept_key_number", reference=reference)).check_round == 2
        return
    with pytest.raises(DeskReferenceUnknown):
        await world.act(order_id, "accept_key_number", reference=reference)


async def test_a_number_that_an_operator_refuses_is_asked_for(world: World) -> None:
    order_id = await world.ordered()
    await world.check(order_id)

    case = await world.act(order_id, "refuse_key_number")

    assert (case.state, case.deadline) == (State.NUMBER_ASKED, jst(2026, 4, 9))


@pytest.mark.rule("SK-50")
async def test_keys_and_parcels_are_marked_by_hand_where_the_makers_word_is_missing(world: World) -> None:
    order_id = await world.accepted()
    number = order_id[-20:].upper()

    assert (await world.act(order_id, "mark_arranged")).state == State.MAKING
    await world.maker_says("ready", order_id, making=1)
    await world.look(order_id)
    await world.release(order_id)
    sent = await world.act(order_id, "mark_dispatched", tracking_number=number)
    assert (sent.state, sent.tracking_number, sent.carrier) == (State.DISPATCHED, number, "post")

    states = [
        (await world.act(order_id, "record_carrier_event", event=event)).state for event in ("absent", "returned")
    ]
    assert states == [State.ABSENT, State.RETURNED]


async def test_a_mistyped_tracking_number_gives_way_to_the_makers_own(world: World) -> None:
    order_id = await world.released()
    await world.act(order_id, "mark_dispatched", tracking_number="00000000000")
    number = order_id[-20:].upper()

    await world.dispatched(order_id, number)
    await world.scan(number, "handed_over")

    assert (await world.case(order_id)).state == State.HANDED_OVER


@pytest.mark.rule("SK-50")
async def test_redelivery_is_ordered_on_the_customers_behalf_but_not_for_who_has_left(world: World) -> None:
    order_id, other = await world.back(), World(world.database, world.keys_file)
    gone = await other.back()
    other.leaves()

    assert (await world.act(order_id, "order_redelivery")).state == State.REDELIVERY_REQUESTED
    with pytest.raises(LeaseEnded):
        await other.act(gone, "order_redelivery")


@pytest.mark.rule("SK-50")
async def test_the_charge_is_recorded_as_collected(world: World) -> None:
    order_id = await world.on_its_way_again()

    case = await world.act(order_id, "record_collected")

    assert case.collected_at == world.now


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("record_carrier_event", {}),
        ("record_carrier_event", {"event": "exploded"}),
    ],
)
async def test_a_missing_or_strange_argument_is_refused_at_its_name(
    world: World, action: str, arguments: dict[str, str]
) -> None:
    order_id = await world.sent()

    with pytest.raises(InvalidField) as refused:
        await world.act(order_id, action, **arguments)

    assert refused.value.field == "event"


@pytest.mark.rule("OP-04")
async def test_a_mended_problem_calls_nobody_any_more_and_waits_anew(world: World) -> None:
    order_id = await world.made()
    world.go_to(jst(2026, 4, 20))
    assert (await world.call_operator(order_id, "no-word-while-making")).needs_operator

    case = await world.act(order_id, "try_again")

    assert (case.state, case.needs_operator, case.patience_until) == (State.MAKING, "", jst(2026, 4, 24))


async def test_cases_that_need_a_person_are_listed_newest_first(world: World) -> None:
    needing, calm = await world.stopped(), await World(world.database, world.keys_file).ordered()

    listed = await world.needing_a_person()
    everything = [case.order_id for case in (await world.domain.desk.cases(Page(size=100), needing=False)).items]

    assert needing in listed
    assert calm not in listed
    assert everything.index(calm) < everything.index(needing)
