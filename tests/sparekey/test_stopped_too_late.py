"""The maker had handed the key to a carrier before it heard of our stop (SK-05, SK-37)."""

from __future__ import annotations

import pytest

from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import OperatorActionNotPossible
from tests.sparekey.rooms import Teller
from tests.sparekey.test_room_changes import both, let_go
from tests.sparekey.world import World

TOO_LATE = "stopped-too-late"
WAYS = pytest.mark.parametrize(
    ("way", "carrier", "travels"),
    [("released", "post", State.DISPATCHED), ("told_again", "parcel", State.REDELIVERING)],
    ids=["released", "redelivery"],
)


async def stopped_too_late(world: World, way: str) -> str:
    order_id = await let_go(world, way)
    world.maker.handed_on.add(order_id)
    await Teller(world).moved_out()
    await world.look(order_id)
    return order_id


@pytest.mark.rule("SK-05")
@WAYS
async def test_operators_are_told_and_the_parcel_is_followed_with_the_reason_kept(
    world: World, way: str, carrier: str, travels: State
) -> None:
    order_id = await stopped_too_late(world, way)
    told = await world.case(order_id)

    number = await world.dispatched(order_id, order_id[-20:].upper(), carrier)
    sent = await world.case(order_id)
    await world.scan(number, "out_for_delivery", partner="post" if carrier == "post" else "carrier")
    on_its_way = await world.case(order_id)
    await world.scan(number, "handed_over", partner="post" if carrier == "post" else "carrier")

    assert (told.state, told.needs_operator, told.reason) == (State.STOPPED, TOO_LATE, "lease-ended")
    assert (sent.state, sent.tracking_number, sent.needs_operator) == (travels, number, "lease-ended")
    assert on_its_way.needs_operator == "lease-ended"
    assert (await world.case(order_id)).state == State.HANDED_OVER


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("way", ["released", "told_again"])
async def test_of_a_key_that_has_left_nothing_is_decided_as_if_it_lay_there(world: World, way: str) -> None:
    order_id = await stopped_too_late(world, way)

    for action in ("release_dispatch", "reject_dispatch", "close_as_destroyed"):
        with pytest.raises(OperatorActionNotPossible):
            await world.act(order_id, action)
    for decision in ("refund", "no-refund"):
        with pytest.raises(OperatorActionNotPossible):
            await world.act(order_id, "decide", decision=decision)

    assert (await world.case(order_id)).needs_operator == TOO_LATE


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", ["released", "told_again"])
async def test_nor_when_the_member_says_meanwhile_that_it_is_not_theirs(world: World, way: str) -> None:
    order_id = await stopped_too_late(world, way)

    await world.not_mine(order_id)

    case = await world.case(order_id)
    assert (case.needs_operator, case.reason, case.frozen) == (TOO_LATE, "reported-not-mine", True)
    with pytest.raises(OperatorActionNotPossible):
        await world.act(order_id, "close_as_destroyed")


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize("word_first", [False, True])
async def test_operators_who_rejected_while_the_maker_was_away_decide_again_when_the_key_had_left(
    world: World, word_first: bool
) -> None:
    order_id = await world.released()
    world.maker.handed_on.add(order_id)
    world.maker.away = True
    await Teller(world).moved_out()
    await world.look(order_id)
    await both(world, order_id, "reject_dispatch")
    world.maker.away = False

    if word_first:
        await world.dispatched(order_id)
    case = await world.stop(order_id)

    assert case.state == (State.DISPATCHED if word_first else State.STOPPED)
    assert case.needs_operator == ("lease-ended" if word_first else TOO_LATE)


@pytest.mark.rule("SK-37")
async def test_of_a_redirect_that_came_too_late_operators_are_told_too(world: World) -> None:
    order_id = await world.released()
    world.maker.handed_on.add(order_id)
    before = await world.pokes(order_id)

    await world.mail_redirect(order_id)

    assert (await world.case(order_id)).needs_operator == TOO_LATE
    assert await world.pokes(order_id) == before + 2


@pytest.mark.rule("SK-50")
@WAYS
async def test_a_parcel_of_which_no_word_comes_is_marked_by_hand(
    world: World, way: str, carrier: str, travels: State
) -> None:
    order_id = await stopped_too_late(world, way)
    number = order_id[-20:].upper()

    case = await world.act(order_id, "mark_dispatched", tracking_number=number)

    assert (case.state, case.tracking_number, case.carrier == "post") == (travels, number, carrier == "post")


async def asked_again(world: World, order_id: str) -> None:
    await world.act(order_id, "try_again")
    world.pass_time(minutes=1)
    await world.domain.making.sweep()


@pytest.mark.rule("SK-50")
@pytest.mark.parametrize("way", ["released", "told_again"])
async def test_a_maker_that_was_wrong_is_asked_again_and_then_two_operators_decide(world: World, way: str) -> None:
    order_id = await stopped_too_late(world, way)

    await asked_again(world, order_id)
    still = (await world.case(order_id)).needs_operator
    world.maker.handed_on.clear()
    before = await world.pokes(order_id)
    await asked_again(world, order_id)
    found, poked = await world.case(order_id), await world.pokes(order_id) - before
    await both(world, order_id, "reject_dispatch")

    assert still == TOO_LATE
    assert (found.state, found.needs_operator, poked) == (State.STOPPED, "lease-ended", 1)
    assert (await world.stop(order_id)).state == State.CANCELLING


async def test_a_key_that_was_stopped_before_anything_was_let_go_cannot_be_marked_as_dispatched(world: World) -> None:
    order_id = await world.cut()
    world.leaves()
    await world.look(order_id)

    with pytest.raises(OperatorActionNotPossible):
        await world.act(order_id, "mark_dispatched", tracking_number=order_id[-20:].upper())


@pytest.mark.rule("SK-50")
async def test_a_key_that_was_called_back_in_time_is_not_let_go_by_one_who_says_that_it_left(world: World) -> None:
    order_id = await world.released()
    await world.mail_redirect(order_id)

    with pytest.raises(OperatorActionNotPossible):
        await world.act(order_id, "mark_dispatched", tracking_number=order_id[-20:].upper())

    assert (await world.case(order_id)).state == State.STOPPED


async def test_a_lost_key_that_had_been_stopped_too_late_is_paid_back_and_not_stopped_once_more(world: World) -> None:
    order_id = await stopped_too_late(world, "released")
    number = await world.dispatched(order_id)
    await world.scan(number, "lost")

    await world.act(order_id, "decide", decision="refund")
    case = await world.stop(order_id)

    assert case.state == State.CANCELLING


async def test_a_key_made_anew_is_not_burdened_with_why_the_lost_one_was_stopped(world: World) -> None:
    order_id = await stopped_too_late(world, "released")
    await world.scan(await world.dispatched(order_id), "lost")
    world.returns()
    await world.act(order_id, "decide", decision="remake")
    await world.order_keys(order_id)
    await world.maker_says("ready", order_id, making=2)
    await world.look(order_id)
    await world.release(order_id)

    number = await world.dispatched(order_id)
    await world.scan(number, "out_for_delivery")

    assert (await world.case(order_id)).needs_operator == ""
