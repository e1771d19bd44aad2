"""What takes two operators, and what they decide of keys that were stopped or lost (SK-36, SK-41, SK-50)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import OperatorActionNotPossible, SecondOperatorNeeded
from tests.sparekey.world import World

SECOND = timedelta(seconds=1)


@pytest.mark.rule("SK-50")
@pytest.mark.parametrize(
    ("action", "state"), [("release_dispatch", State.READY), ("reject_dispatch", State.CANCELLING)]
)
async def test_a_stopped_dispatch_moves_by_two_different_operators(world: World, action: str, state: State) -> None:
    order_id = await world.stopped()

    assert (await world.act(order_id, action, "op_sato")).state == State.STOPPED
    with pytest.raises(SecondOperatorNeeded):
        await world.act(order_id, action, "op_sato")
    case = await world.act(order_id, action, "op_tanaka")

    assert case.state == state
    audits = await world.rows(
        "select operator from sparekey.audits where order_id = :id order by position", id=order_id
    )
    assert [row.operator for row in audits] == ["op_sato", "op_tanaka"]


@pytest.mark.rule("SK-50")
async def test_the_approval_of_one_action_is_none_of_another(world: World) -> None:
    order_id = await world.stopped()

    await world.act(order_id, "release_dispatch", "op_sato")

    assert (await world.act(order_id, "reject_dispatch", "op_tanaka")).state == State.STOPPED


@pytest.mark.rule("SK-50")
@pytest.mark.parametrize(("age", "lapsed"), [(timedelta(hours=24) - SECOND, False), (timedelta(hours=24), True)])
async def test_an_approval_lapses_after_a_day(world: World, age: timedelta, lapsed: bool) -> None:
    order_id = await world.stopped()
    await world.act(order_id, "release_dispatch", "op_sato")
    world.pass_time(seconds=age.total_seconds())

    case = await world.act(order_id, "release_dispatch", "op_tanaka")

    assert case.state == (State.STOPPED if lapsed else State.READY)


@pytest.mark.rule("SK-50")
async def test_an_approval_lapses_when_the_case_changes(world: World) -> None:
    order_id = await world.stopped()
    await world.act(order_id, "release_dispatch", "op_sato")
    await world.mail_redirect(order_id)

    assert (await world.act(order_id, "release_dispatch", "op_tanaka")).state == State.STOPPED
    assert (await world.act(order_id, "release_dispatch", "op_sato")).state == State.READY


@pytest.mark.rule("SK-05")
async def test_two_operators_cannot_send_a_key_to_who_has_left(world: World) -> None:
    order_id = await world.stopped()
    for operator in ("op_sato", "op_tanaka"):
        await world.act(order_id, "release_dispatch", operator)

    case = await world.look(order_id)

    assert (case.state, case.reason) == (State.STOPPED, "lease-ended")
    assert world.maker.did("release", order_id) == []


async def test_a_dispatch_that_was_frozen_goes_on_after_two_operators(world: World) -> None:
    order_id = await world.cut()
    await world.mail_redirect(order_id)
    await world.look(order_id)

    for operator in ("op_sato", "op_tanaka"):
        await world.act(order_id, "release_dispatch", operator)
    await world.look(order_id)
    case = await world.release(order_id)

    assert (case.state, case.frozen) == (State.RELEASED, False)


@pytest.mark.parametrize(("way", "state"), [("back", State.RETURNED), ("asked_again", State.REDELIVERY_REQUESTED)])
async def test_what_was_stopped_after_a_return_goes_back_to_where_it_was(world: World, way: str, state: State) -> None:
    order_id = await getattr(world, way)()
    await world.not_mine(order_id)

    for operator in ("op_sato", "op_tanaka"):
        case = await world.act(order_id, "release_dispatch", operator)

    assert (case.state, case.deadline is None) == (state, state is State.REDELIVERY_REQUESTED)


# Decisions.


@pytest.mark.rule("SK-36")
@pytest.mark.parametrize(("decision", "state"), [("refund", State.CANCELLING), ("no-refund", State.DESTROYED)])
async def test_the_money_for_a_key_whose_receiver_has_left_is_decided(
    world: World, decision: str, state: State
) -> None:
    order_id = await world.stopped(way="asked_again")

    case = await world.act(order_id, "decide", decision=decision)

    assert (case.state, case.reason) == (state, "lease-ended")


@pytest.mark.rule("SK-41")
@pytest.mark.parametrize(("decision", "state"), [("remake", State.ACCEPTED), ("refund", State.CANCELLING)])
async def test_a_lost_key_is_made_again_or_paid_back(world: World, decision: str, state: State) -> None:
    order_id = await world.sent()
    await world.act(order_id, "record_carrier_event", event="lost")

    case = await world.act(order_id, "decide", decision=decision)

    assert case.state == state
    if state is State.ACCEPTED:
        assert (await world.order_keys(order_id)).making == 2
        assert len(world.maker.did("remake", order_id)) == 1


async def test_a_stop_before_dispatch_is_paid_back_by_two_operators_and_not_by_one(world: World) -> None:
    order_id = await world.stopped()

    for decision in ("refund", "no-refund", "remake"):
        with pytest.raises(OperatorActionNotPossible):
            await world.act(order_id, "decide", decision=decision)
