"""A promise that would lapse before the key leaves is asked for anew, or another means is wanted (SK-38, ST-26)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.chassis.errors import NotFound
from services.store.intents.domain import PartnerSilent
from services.store.intents.models import PartnerCall
from services.store.payments.domain import ChangeMeans, MeansNotOffered, MeansNotWanted
from services.store.payments.models import PaymentView, Standing
from tests.store.partner import HOLDS_FOR
from tests.store.world import World, as_member, new_member, request_id

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


async def change(world: World, member: str, order_id: str, means: str, card_id: str = "") -> PaymentView:
    asked = ChangeMeans(request_id=request_id(), order_id=order_id, means=means, card_id=card_id)
    return await world.store.payments.change_means(as_member(member), asked)


async def unrenewable(world: World, member: str) -> str:
    """An order whose card was authorised once and is declined the second time."""
    order = await world.placed(member)
    world.clock.advance(HOLDS_FOR)
    world.card.next_result, world.card.next_decline = "declined", "card-declined-expired"
    payment = await world.ensured(order.order_id)
    assert (payment.state, payment.decline_code) == ("declined", "card-declined-expired")
    return order.order_id


@pytest.mark.rule("SK-38")
@pytest.mark.parametrize(
    ("left", "renewed"), [(DAY + SECOND, False), (DAY, True), (DAY - SECOND, True)], ids=["-1s", "0", "+1s"]
)
async def test_an_authorisation_that_lapses_within_a_day_is_renewed(
    world: World, member: str, left: timedelta, *, renewed: bool
) -> None:
    order = await world.placed(member)
    world.clock.advance(HOLDS_FOR - left)

    payment = await world.ensured(order.order_id)

    assert payment.state == "authorised"
    assert payment.authorised_until is not None
    assert (payment.authorised_until - world.clock.now() == HOLDS_FOR) == renewed
    await world.later(timedelta(minutes=1))
    await world.swept()
    live = [account.merchant_ref for account in world.card.accounts.values() if account.live]
    assert live == [f"{order.order_id}-{2 if renewed else 1}"]


@pytest.mark.rule("SK-38")
async def test_one_that_has_lapsed_is_renewed_before_the_key_leaves(world: World, member: str) -> None:
    order = await world.placed(member)
    world.clock.advance(timedelta(days=11))

    ensured = await world.ensured(order.order_id)
    captured = await world.captured(order.order_id)

    assert (ensured.state, captured.state) == ("authorised", "captured")
    assert sum(account.captured for account in world.card.accounts.values()) == 3_300


@pytest.mark.rule("SK-38")
async def test_where_it_cannot_be_renewed_another_means_is_wanted(world: World, member: str) -> None:
    order_id = await unrenewable(world, member)

    assert await world.told(order_id) == ["order_placed", "means_wanted"]
    assert (await world.captured(order_id)).state == "declined"


@pytest.mark.rule("ST-26")
async def test_a_refused_capture_asks_for_another_means(world: World, member: str) -> None:
    order = await world.placed(member)
    world.clock.advance(HOLDS_FOR)

    payment = await world.captured(order.order_id)

    assert (payment.state, payment.decline_code) == ("declined", "authorisation-lapsed")
    assert "means_wanted" in await world.told(order.order_id)


@pytest.mark.rule("SK-38")
async def test_with_another_card_the_same_request_captures_what_it_could_not(world: World, member: str) -> None:
    order_id, asked = await unrenewable(world, member), request_id()
    assert (await world.captured(order_id, request_id=asked)).state == "declined"

    changed = await change(world, member, order_id, "card", request_id().replace("req", "pm"))

    assert changed.state == "authorised"
    assert (await world.told(order_id))[-1] == "payment_changed"
    assert (await world.captured(order_id, request_id=asked)).state == "captured"
    assert sum(account.captured for account in world.card.accounts.values()) == 3_300


@pytest.mark.parametrize("means", ["deferred", "epos"])
async def test_another_means_takes_the_place_of_the_first(world: World, member: str, means: str) -> None:
    order_id = await unrenewable(world, member)

    payment = await change(world, member, order_id, means)

    assert payment.state == ("requires-action" if means == "epos" else "authorised")
    assert (await world.order(order_id)).payment == payment


async def test_a_payment_that_stands_is_not_changed(world: World, member: str) -> None:
    order = await world.placed(member)

    with pytest.raises(MeansNotWanted):
        await change(world, member, order.order_id, "epos")
    with pytest.raises(NotFound):
        await change(world, new_member(), order.order_id, "epos")


async def test_nothing_is_paid_by_no_means(world: World, member: str) -> None:
    order_id = await unrenewable(world, member)

    with pytest.raises(MeansNotOffered):
        await change(world, member, order_id, "none")


async def test_the_old_promise_is_given_back_once_the_new_one_holds(world: World, member: str) -> None:
    order = await world.placed(member)
    world.clock.advance(HOLDS_FOR - timedelta(hours=2))

    await world.ensured(order.order_id)
    world.clock.advance(timedelta(minutes=1))
    await world.swept()

    first, second = await world.payments(order.order_id)
    assert (first.state, second.state) == ("voided", "authorised")


async def test_a_renewal_whose_answer_is_lost_is_made_once(world: World, member: str) -> None:
    order, asked = await world.placed(member), request_id()
    world.clock.advance(timedelta(days=9))
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.late = timedelta(seconds=30)

    with pytest.raises(PartnerSilent):
        await world.ensured(order.order_id, request_id=asked)
    world.clock.advance(timedelta(minutes=1))
    payment = await world.ensured(order.order_id, request_id=asked)

    assert payment.state == "authorised"
    assert [account.live for account in world.card.accounts.values()] == [False, True]


async def test_while_the_partner_is_silent_it_is_not_said_that_all_is_well(world: World, member: str) -> None:
    order = await world.placed(member)
    world.card.faults.down = True

    with pytest.raises(PartnerSilent) as silent:
        await world.ensured(order.order_id)

    assert silent.value.retry_after is None  # the process pauses longer each time, an hour of silence is no hammering


async def test_an_approved_epos_payment_needs_no_renewing(world: World, member: str) -> None:
    order = await world.placed(member, "epos")
    world.clock.advance(timedelta(days=30))

    assert (await world.ensured(order.order_id)).state == "authorised"
    assert (await world.captured(order.order_id)).state == "captured"
    assert len(world.epos.accounts) == 1


async def test_an_epos_payment_that_was_withdrawn_cannot_be_renewed_unasked(world: World, member: str) -> None:
    order = await world.placed(member, "epos")
    world.epos.decide(order.order_id, "voided")
    world.epos.next_result = "declined"

    payment = await world.ensured(order.order_id)

    assert payment.state == "declined"
    assert "means_wanted" in await world.told(order.order_id)


@pytest.mark.rule("ST-21")
async def test_what_is_heard_of_a_payment_is_not_said_of_the_one_that_took_its_place_meanwhile(
    world: World, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await unrenewable(world, member)
    look_up = world.card.look_up

    async def answers_while_the_member_changes(call: PartnerCall) -> Standing | None:
        said = await look_up(call)
        await change(world, member, order_id, "epos")
        return said

    monkeypatch.setattr(world.card, "look_up", answers_while_the_member_changes)

    with pytest.raises(PartnerSilent):
        await world.ensured(order_id)

    payment = (await world.order(order_id)).payment
    assert payment is not None
    assert (payment.means, payment.state, payment.decline_code) == ("epos", "requires-action", "")
