"""An order that is not theirs, and mail that goes elsewhere (SK-30, SK-37)."""

from __future__ import annotations

import pytest

from services.chassis.errors import InvalidField, NotFound
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.members.domain import CancellationNotPossible, ReportNotMine
from services.sparekey.members.models import AlreadyReported
from tests.sparekey.world import World, member, request

UNCUT = ["ordered", "asked_for_number", "accepted", "made"]
HELD = ["cut", "cleared", "released", "back", "asked_again"]
UNDER_WAY = ["sent", "missed", "on_its_way_again"]


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", UNCUT)
async def test_an_order_reported_as_not_theirs_is_cancelled_while_no_key_is_cut(world: World, way: str) -> None:
    order_id = await getattr(world, way)()

    await world.not_mine(order_id)

    case = await world.case(order_id)
    assert (case.state, case.reason, case.frozen) == (State.CANCELLING, "reported-not-mine", True)
    await world.stop(order_id)
    await world.close(order_id, State.CANCELLED)
    assert (await world.event(order_id, "key_order_cancelled")).reason == "reported-not-mine"
    asked = way != "ordered"
    assert bool(world.maker.did("stop", order_id)) is asked


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", HELD)
async def test_a_key_that_is_cut_stays_where_it_is_for_an_operator(world: World, way: str) -> None:
    order_id = await getattr(world, way)()

    await world.not_mine(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator, case.frozen) == (State.STOPPED, "reported-not-mine", True)
    assert bool(world.maker.did("stop", order_id)) is (way == "released")


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", UNDER_WAY)
async def test_a_parcel_under_way_calls_an_operator_and_stays_frozen_when_it_comes_back(world: World, way: str) -> None:
    order_id = await getattr(world, way)()
    state = (await world.case(order_id)).state

    await world.not_mine(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator, case.frozen) == (state, "reported-not-mine", True)


@pytest.mark.rule("SK-30")
async def test_a_report_while_the_maker_is_away_stops_the_key_as_soon_as_it_is_back(world: World) -> None:
    order_id = await world.released()
    world.maker.away = True
    await world.not_mine(order_id)
    world.maker.away = False

    world.pass_time(minutes=2)
    await world.domain.making.sweep()

    assert len(world.maker.did("stop", order_id)) == 1


async def test_a_key_that_could_no_longer_be_stopped_is_followed_with_the_alarm_kept(world: World) -> None:
    order_id = await world.released()
    await world.mail_redirect(order_id)
    assert (await world.case(order_id)).state == State.STOPPED

    await world.dispatched(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.DISPATCHED, "mail-redirect")
    assert "mail_redirect_alarm" in await world.events(order_id)


async def test_the_household_is_asked_first(world: World) -> None:
    order_id = await world.made()

    with pytest.raises(InvalidField) as refused:
        await world.not_mine(order_id, household_asked=False)

    assert [it.code for it in refused.value.violations] == ["key-household-not-asked"]
    assert (await world.case(order_id)).state == State.MAKING


async def test_what_is_over_or_was_reported_is_not_reported_again(world: World) -> None:
    order_id = await world.sent()
    await world.not_mine(order_id)
    with pytest.raises(AlreadyReported):
        await world.not_mine(order_id)
    await world.mail_redirect(order_id)
    with pytest.raises(AlreadyReported):
        await world.mail_redirect(order_id)


async def test_a_report_needs_no_room_any_more_but_the_order(world: World) -> None:
    order_id = await world.made()
    world.rooms.silent = True
    stranger = ReportNotMine(request_id=request(), order_id=order_id, household_asked=True)

    with pytest.raises(NotFound):
        await world.domain.member_actions.not_mine(member(new_id("mem")), stranger)
    await world.not_mine(order_id)

    assert (await world.case(order_id)).state == State.CANCELLING


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", ["ordered", "asked_for_number", "accepted", "made", "cut"])
async def test_a_redirect_reported_before_dispatch_stops_the_key_when_it_would_leave(world: World, way: str) -> None:
    order_id = await getattr(world, way)()
    state = (await world.case(order_id)).state
    await world.mail_redirect(order_id)
    assert (await world.case(order_id)).state == state

    for further in (
        lambda: world.check(order_id),
        lambda: world.reply(order_id) if way == "asked_for_number" else world.case(order_id),
        lambda: world.check(order_id),
        lambda: world.checked(order_id, "exists"),
        lambda: world.order_keys(order_id),
        lambda: world.maker_says("ready", order_id, making=1),
        lambda: world.look(order_id),
    ):
        await further()

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.STOPPED, "mail-redirect")
    assert world.maker.did("release", order_id) == []


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", ["cleared", "released", "asked_again"])
async def test_a_redirect_reported_before_the_post_has_the_key_stops_it_at_once(world: World, way: str) -> None:
    order_id = await getattr(world, way)()

    await world.mail_redirect(order_id)

    case = await world.case(order_id)
    assert (case.state, case.frozen) == (State.STOPPED, True)
    assert "mail_redirect_alarm" not in await world.events(order_id)


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", UNDER_WAY)
async def test_a_redirect_reported_later_raises_an_alarm(world: World, way: str) -> None:
    order_id = await getattr(world, way)()
    state = (await world.case(order_id)).state

    await world.mail_redirect(order_id)

    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (state, "mail-redirect")
    assert (await world.events(order_id))[-1] == "mail_redirect_alarm"


@pytest.mark.rule("SK-37")
async def test_a_redirect_reported_while_the_key_is_kept_stops_its_redelivery(world: World) -> None:
    order_id = await world.back()
    await world.mail_redirect(order_id)
    await world.ask_redelivery(order_id)

    case = await world.redeliver(order_id)

    assert (case.state, case.reason) == (State.STOPPED, "mail-redirect")


@pytest.mark.rule("SK-37")
async def test_a_redirect_that_the_carrier_reports_raises_the_alarm_too(world: World) -> None:
    order_id = await world.sent()

    await world.scan((await world.case(order_id)).tracking_number, "redirected")

    assert (await world.case(order_id)).needs_operator == "mail-redirect"
    assert (await world.events(order_id))[-1] == "mail_redirect_alarm"


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", ["ordered", "made", "sent", "back", "on_its_way_again"])
async def test_no_order_is_cancelled_for_the_customers_reasons(world: World, way: str) -> None:
    order_id = await getattr(world, way)()
    state = (await world.case(order_id)).state

    with pytest.raises(CancellationNotPossible):
        await world.domain.member_actions.cancel(world.member, order_id)
    with pytest.raises(NotFound):
        await world.domain.member_actions.cancel(member(new_id("mem")), order_id)

    assert (await world.case(order_id)).state == state


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("heard", [True, False])
async def test_what_is_reported_while_the_maker_is_away_is_not_ordered_after_all(world: World, heard: bool) -> None:
    order_id = await world.accepted()
    if heard:
        world.maker.answer_lost = 1
    world.maker.away = not heard
    await world.order_keys(order_id)
    world.maker.away = True
    await world.not_mine(order_id)
    world.maker.away = False

    await world.stop(order_id)

    verbs = [it["verb"] for it in world.maker.done.values() if it["order_id"] == order_id]
    assert verbs == (["check", "order", "stop"] if heard else ["check", "stop"])
    assert (
        await world.rows("select key from sparekey.calls where settled_at is null and order_id = :id", id=order_id)
        == []
    )
