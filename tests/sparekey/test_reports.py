"""An order that is not theirs, and mail that goes elsewhere (SK-30, SK-37)."""

from __future__ import annotations

import pytest

from services.chassis.errors import InvalidField, NotFound
from services.chassis.ids import new_id
from services.sparekey.actions.domain import CancellationNotPossible, ReportNotMine
from services.sparekey.actions.models import AlreadyReported
from services.sparekey.cases.transitions import State
from tests.sparekey.house import House, member, request

UNCUT = ["ordered", "asked_for_number", "accepted", "made"]
HELD = ["cut", "cleared", "released", "back", "asked_again"]
UNDER_WAY = ["sent", "missed", "on_its_way_again"]


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", UNCUT)
async def test_an_order_reported_as_not_theirs_is_cancelled_while_no_key_is_cut(house: House, way: str) -> None:
    order_id = await getattr(house, way)()

    await house.not_mine(order_id)

    case = await house.case(order_id)
    assert (case.state, case.reason, case.frozen) == (State.CANCELLING, "reported-not-mine", True)
    await house.stop(order_id)
    await house.close(order_id, State.CANCELLED)
    assert (await house.event(order_id, "key_order_cancelled")).reason == "reported-not-mine"
    asked = way != "ordered"
    assert bool(house.maker.did("stop", order_id)) is asked


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", HELD)
async def test_a_key_that_is_cut_stays_where_it_is_for_an_operator(house: House, way: str) -> None:
    order_id = await getattr(house, way)()

    await house.not_mine(order_id)

    case = await house.case(order_id)
    assert (case.state, case.needs_operator, case.frozen) == (State.STOPPED, "reported-not-mine", True)
    assert bool(house.maker.did("stop", order_id)) is (way == "released")


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", UNDER_WAY)
async def test_a_parcel_under_way_calls_an_operator_and_stays_frozen_when_it_comes_back(house: House, way: str) -> None:
    order_id = await getattr(house, way)()
    state = (await house.case(order_id)).state

    await house.not_mine(order_id)

    case = await house.case(order_id)
    assert (case.state, case.needs_operator, case.frozen) == (state, "reported-not-mine", True)


@pytest.mark.rule("SK-30")
async def test_a_report_while_the_maker_is_away_stops_the_key_as_soon_as_it_is_back(house: House) -> None:
    order_id = await house.released()
    house.maker.away = True
    await house.not_mine(order_id)
    house.maker.away = False

    house.pass_time(minutes=2)
    await house.making.sweep(house.rules.sweep_after)

    assert len(house.maker.did("stop", order_id)) == 1


async def test_a_key_that_could_no_longer_be_stopped_is_followed_with_the_alarm_kept(house: House) -> None:
    order_id = await house.released()
    await house.mail_redirect(order_id)
    assert (await house.case(order_id)).state == State.STOPPED

    await house.dispatched(order_id)

    case = await house.case(order_id)
    assert (case.state, case.needs_operator) == (State.DISPATCHED, "mail-redirect")
    assert "mail_redirect_alarm" in await house.events(order_id)


async def test_the_household_is_asked_first(house: House) -> None:
    order_id = await house.made()

    with pytest.raises(InvalidField) as refused:
        await house.not_mine(order_id, household_asked=False)

    assert [it.code for it in refused.value.violations] == ["key-household-not-asked"]
    assert (await house.case(order_id)).state == State.MAKING


async def test_what_is_over_or_was_reported_is_not_reported_again(house: House) -> None:
    order_id = await house.sent()
    await house.not_mine(order_id)
    with pytest.raises(AlreadyReported):
        await house.not_mine(order_id)
    await house.mail_redirect(order_id)
    with pytest.raises(AlreadyReported):
        await house.mail_redirect(order_id)


async def test_a_report_needs_no_room_any_more_but_the_order(house: House) -> None:
    order_id = await house.made()
    house.rooms.silent = True
    stranger = ReportNotMine(request_id=request(), order_id=order_id, household_asked=True)

    with pytest.raises(NotFound):
        await house.domain.requests.not_mine(member(new_id("mem")), stranger)
    await house.not_mine(order_id)

    assert (await house.case(order_id)).state == State.CANCELLING


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", ["ordered", "asked_for_number", "accepted", "made", "cut"])
async def test_a_redirect_reported_before_dispatch_stops_the_key_when_it_would_leave(house: House, way: str) -> None:
    order_id = await getattr(house, way)()
    state = (await house.case(order_id)).state
    await house.mail_redirect(order_id)
    assert (await house.case(order_id)).state == state

    for further in (
        lambda: house.check(order_id),
        lambda: house.reply(order_id) if way == "asked_for_number" else house.case(order_id),
        lambda: house.check(order_id),
        lambda: house.checked(order_id, "exists"),
        lambda: house.order_keys(order_id),
        lambda: house.maker_says("ready", order_id, making=1),
        lambda: house.look(order_id),
    ):
        await further()

    case = await house.case(order_id)
    assert (case.state, case.needs_operator) == (State.STOPPED, "mail-redirect")
    assert house.maker.did("release", order_id) == []


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", ["cleared", "released", "asked_again"])
async def test_a_redirect_reported_before_the_post_has_the_key_stops_it_at_once(house: House, way: str) -> None:
    order_id = await getattr(house, way)()

    await house.mail_redirect(order_id)

    case = await house.case(order_id)
    assert (case.state, case.frozen) == (State.STOPPED, True)
    assert "mail_redirect_alarm" not in await house.events(order_id)


@pytest.mark.rule("SK-37")
@pytest.mark.parametrize("way", UNDER_WAY)
async def test_a_redirect_reported_later_raises_an_alarm(house: House, way: str) -> None:
    order_id = await getattr(house, way)()
    state = (await house.case(order_id)).state

    await house.mail_redirect(order_id)

    case = await house.case(order_id)
    assert (case.state, case.needs_operator) == (state, "mail-redirect")
    assert (await house.events(order_id))[-1] == "mail_redirect_alarm"


@pytest.mark.rule("SK-37")
async def test_a_redirect_reported_while_the_key_is_kept_stops_its_redelivery(house: House) -> None:
    order_id = await house.back()
    await house.mail_redirect(order_id)
    await house.ask_redelivery(order_id)

    case = await house.redeliver(order_id)

    assert (case.state, case.reason) == (State.STOPPED, "mail-redirect")


@pytest.mark.rule("SK-37")
async def test_a_redirect_that_the_carrier_reports_raises_the_alarm_too(house: House) -> None:
    order_id = await house.sent()

    await house.scan((await house.case(order_id)).tracking_number, "redirected")

    assert (await house.case(order_id)).needs_operator == "mail-redirect"
    assert (await house.events(order_id))[-1] == "mail_redirect_alarm"


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("way", ["ordered", "made", "sent", "back", "on_its_way_again"])
async def test_no_order_is_cancelled_for_the_customers_reasons(house: House, way: str) -> None:
    order_id = await getattr(house, way)()
    state = (await house.case(order_id)).state

    with pytest.raises(CancellationNotPossible):
        await house.domain.requests.cancel(house.member, order_id)
    with pytest.raises(NotFound):
        await house.domain.requests.cancel(member(new_id("mem")), order_id)

    assert (await house.case(order_id)).state == state


@pytest.mark.rule("SK-30")
@pytest.mark.parametrize("heard", [True, False])
async def test_what_is_reported_while_the_maker_is_away_is_not_ordered_after_all(house: House, heard: bool) -> None:
    order_id = await house.accepted()
    if heard:
        house.maker.answer_lost = 1
    house.maker.away = not heard
    await house.order_keys(order_id)
    house.maker.away = True
    await house.not_mine(order_id)
    house.maker.away = False

    await house.stop(order_id)

    verbs = [it["verb"] for it in house.maker.done.values() if it["order_id"] == order_id]
    assert verbs == (["check", "order", "stop"] if heard else ["check", "stop"])
    assert (
        await house.rows("select key from sparekey.calls where settled_at is null and order_id = :id", id=order_id)
        == []
    )
