"""Asking partners: declined, silent, waiting for the payer, captured; never twice, never lost (ST-21)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.chassis.errors import NotFound
from services.store.intents.domain import PartnerSilent
from services.store.intents.models import PartnerCall
from services.store.models import requests
from services.store.payments.domain import PayerReturned, PaymentMissing
from services.store.payments.models import PaymentState
from services.texts import LANGUAGES, Texts
from tests.store.partner import Fault
from tests.store.world import World, as_member, new_member, request_id

SECOND = timedelta(seconds=1)
CAUSES = {"ja": "カード会社", "en": "issuer", "zh_Hans": "发卡公司"}


async def placing(world: World, member: str, means: str = "card") -> str:
    view = await world.ready(member, means)
    await world.begun(view)
    return view.order_id


@pytest.mark.rule("ST-23")
async def test_a_declined_card_is_answered_with_its_code_and_nothing_is_placed(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.next_result, world.card.next_decline = "declined", "card-declined-funds"

    payment = await world.authorised(order_id)

    assert (payment.state, payment.decline_code) == ("declined", "card-declined-funds")
    assert (await world.abandoned(order_id)).state == "checkout"
    assert await world.told(order_id) == []


@pytest.mark.rule("ST-23")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_decline_of_a_card_is_explained_with_advice_to_ask_the_issuer(language: str) -> None:
    from services.store.payments.partners import card  # noqa: PLC0415  # its table is what is looked at

    texts = Texts.load()

    for code in {*card._DECLINES.values(), card._DECLINED, card._NOT_USABLE}:
        assert CAUSES[language] in texts.render(code, language), code  # type: ignore[arg-type]  # one of LANGUAGES


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("fault", ["lost", "done-and-lost", "failed", "done-and-failed"])
async def test_an_answer_that_is_lost_never_charges_twice(world: World, member: str, fault: Fault) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append(fault)

    first = await world.authorised(order_id)
    world.clock.advance(timedelta(minutes=1))
    then = await world.authorised(order_id)

    assert first.state in {"unknown", "authorised"}
    assert then.state == "authorised"
    assert len(world.card.accounts) == 1
    assert {key for key in world.card.asked if key.endswith("authorise")} == {f"{order_id}-1/authorise"}


@pytest.mark.rule("ST-21")
async def test_what_a_late_look_up_does_not_show_is_not_asked_for_under_another_key(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.late = timedelta(minutes=5)

    states = []
    for _ in range(7):
        states.append((await world.authorised(order_id)).state)
        world.clock.advance(timedelta(minutes=1))

    assert states[0] == "unknown"
    assert states[-1] == "authorised"
    assert len(world.card.accounts) == 1


async def test_an_open_outcome_is_answered_as_unknown_and_the_same_request_finds_out_later(
    world: World, member: str
) -> None:
    order_id, asked = await placing(world, member), request_id()
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.down = True

    assert (await world.authorised(order_id, request_id=asked)).state == "unknown"

    world.card.faults.down = False
    assert (await world.authorised(order_id, request_id=asked)).state == "authorised"


@pytest.mark.rule("ST-21")
async def test_the_sweep_finds_out_what_nobody_asks_about_any_more_and_tells_the_process(
    world: World, member: str
) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.down = True
    await world.authorised(order_id)
    world.clock.advance(timedelta(minutes=1))
    assert await world.swept() == (0, 1)

    world.card.faults.down = False
    world.clock.advance(timedelta(minutes=1))

    assert await world.swept() == (1, 0)
    assert (await world.order(order_id)).payment.state == "authorised"  # type: ignore[union-attr]  # it has one
    assert await world.told(order_id) == ["payment_changed"]


async def test_somebody_elses_call_that_is_under_way_is_not_made_a_second_time(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("lost")
    await world.authorised(order_id)

    world.clock.advance(timedelta(seconds=14))
    await world.authorised(order_id)
    calls_soon = len(world.card.asked)
    world.clock.advance(timedelta(seconds=1))
    await world.authorised(order_id)

    assert (calls_soon, len(world.card.asked)) == (1, 2)


@pytest.mark.rule("ST-21")
async def test_a_payer_has_thirty_minutes_at_the_partners_page(world: World, member: str) -> None:
    order_id = await placing(world, member, "epos")

    payment = await world.authorised(order_id)

    assert (payment.state, payment.action_until) == ("requires-action", world.clock.now() + timedelta(minutes=30))
    assert payment.redirect_url.startswith("https://partner.example/")
    assert (await world.order(order_id)).state == "awaiting-payer"


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize(
    ("at", "state"), [(-SECOND, "authorised"), (timedelta(), "declined"), (SECOND, "declined")], ids=["-1s", "0", "+1s"]
)
async def test_a_payer_who_comes_back_when_the_time_is_up_has_paid_nothing(
    world: World, member: str, at: timedelta, state: str
) -> None:
    order_id = await placing(world, member, "epos")
    payment = await world.authorised(order_id)
    assert payment.action_until is not None
    world.epos.decide(order_id, "authorised")

    world.clock.advance(payment.action_until + at - world.clock.now())
    returned = await world.store.payments.payer_returned(
        as_member(member), PayerReturned(request_id=request_id(), order_id=order_id)
    )

    assert returned.state == state
    assert world.epos.account(order_id).state == ("authorised" if state == "authorised" else "voided")


async def kept(world: World) -> int:
    """How many answers to commands the store keeps."""
    async with world.database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(requests)) or 0


@pytest.mark.parametrize("decided", [None, "authorised", "declined"])
async def test_a_payers_page_that_is_loaded_again_writes_nothing(
    world: World, member: str, decided: PaymentState | None
) -> None:
    order_id = await placing(world, member, "epos")
    await world.authorised(order_id)
    if decided:
        world.epos.decide(order_id, decided)

    async def load() -> str:
        asked = PayerReturned(request_id=request_id(), order_id=order_id)
        return (await world.store.payments.payer_returned(as_member(member), asked)).state

    before = await kept(world)
    first = await load()
    settled = await kept(world)
    again = [await load() for _ in range(3)]

    assert {first, *again} == {decided or "requires-action"}
    assert settled - before == bool(decided)
    assert await kept(world) == settled


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize("comes_back", [True, False])
async def test_the_timer_asks_and_follows_the_answer(world: World, member: str, *, comes_back: bool) -> None:
    order_id = await placing(world, member, "epos")
    payment = await world.authorised(order_id)
    if comes_back:
        world.epos.decide(order_id, "authorised")
        await world.store.payments.payer_returned(
            as_member(member), PayerReturned(request_id=request_id(), order_id=order_id)
        )

    answer = await world.authorised(order_id, as_of=payment.action_until)

    assert (answer.state, answer.decline_code) == (("authorised", "") if comes_back else ("declined", "payer-too-late"))
    assert world.epos.account(order_id).state == ("authorised" if comes_back else "voided")


@pytest.mark.rule("PR-06")
async def test_return_and_timer_at_once_agree_on_one_outcome(world: World) -> None:
    for _ in range(10):
        order_id = await placing(world, member := new_member(), "epos")
        payment = await world.authorised(order_id)
        world.epos.decide(order_id, "authorised")
        back = PayerReturned(request_id=request_id(), order_id=order_id)

        returned, timed = await asyncio.gather(
            world.store.payments.payer_returned(as_member(member), back),
            world.authorised(order_id, as_of=payment.action_until),
        )

        final = (await world.payments(order_id))[0]
        assert timed.state == final.view().state
        assert returned.state in {timed.state, "authorised"}
        await world.store.intents.pursue(payment.payment_id)
        live = world.epos.account(order_id).live
        assert live == (timed.state == "authorised")


async def test_who_left_the_partners_page_for_good_is_called_off_by_the_sweep(world: World, member: str) -> None:
    order_id = await placing(world, member, "epos")
    await world.authorised(order_id)

    world.clock.advance(timedelta(minutes=30))
    await world.swept()

    (payment,) = await world.payments(order_id)
    assert (payment.state, payment.decline_code) == ("voided", "payer-too-late")
    assert world.epos.account(order_id).state == "voided"
    assert await world.told(order_id) == ["payment_changed", "payment_changed"]


@pytest.mark.rule("PR-15")
async def test_another_members_payment_is_not_found(world: World, member: str) -> None:
    order_id = await placing(world, member, "epos")
    await world.authorised(order_id)

    with pytest.raises(NotFound):
        await world.store.payments.payer_returned(
            as_member(new_member()), PayerReturned(request_id=request_id(), order_id=order_id)
        )


@pytest.mark.rule("ST-26")
async def test_the_money_is_captured_when_the_order_leaves_and_once(world: World, member: str) -> None:
    order = await world.placed(member)
    assert world.card.account(order.order_id).captured == 0

    payment = await world.captured(order.order_id)

    assert payment.state == "captured"
    assert world.card.account(order.order_id).captured == 3_300
    assert (await world.captured(order.order_id)).state == "captured"
    assert world.card.asked.count(f"{order.order_id}-1/capture") == 1


@pytest.mark.parametrize("fault", ["lost", "done-and-lost"])
async def test_a_capture_whose_answer_is_lost_is_tried_again_until_it_is_known(
    world: World, member: str, fault: Fault
) -> None:
    order, asked = await world.placed(member), request_id()
    world.card.faults.calls.append(fault)
    world.card.faults.down = True

    with pytest.raises(PartnerSilent):
        await world.captured(order.order_id, request_id=asked)

    world.card.faults.down = False
    world.clock.advance(timedelta(minutes=1))
    assert (await world.captured(order.order_id, request_id=asked)).state == "captured"
    assert world.card.account(order.order_id).captured == 3_300


async def test_nothing_is_captured_of_an_order_that_was_not_placed(world: World, member: str) -> None:
    view = await world.ready(member)

    with pytest.raises(PaymentMissing):
        await world.captured(view.order_id)


async def test_a_late_authorisation_of_an_abandoned_try_is_given_back(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.late = timedelta(minutes=2)
    assert (await world.authorised(order_id)).state == "unknown"

    await world.abandoned(order_id)
    assert world.card.account(order_id).live
    world.clock.advance(timedelta(minutes=3))
    await world.swept()

    assert world.card.account(order_id).state == "voided"


async def test_a_call_that_never_arrived_is_given_up_once_it_would_have_shown(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("lost")
    await world.authorised(order_id)
    await world.abandoned(order_id)

    world.clock.advance(timedelta(minutes=9))
    await world.swept()
    assert (await world.payments(order_id))[0].state == "asked"
    world.clock.advance(timedelta(minutes=1))
    await world.swept()

    assert (await world.payments(order_id))[0].state == "voided"
    assert world.card.asked == [f"{order_id}-1/authorise"]


async def test_what_was_given_up_and_shows_after_all_is_given_back(world: World, member: str) -> None:
    order_id = await placing(world, member)
    world.card.faults.calls.append("done-and-lost")
    world.card.faults.late = timedelta(hours=1)
    await world.authorised(order_id)
    await world.abandoned(order_id)
    world.clock.advance(timedelta(minutes=11))
    await world.swept()
    (payment,) = await world.payments(order_id)
    assert (payment.state, world.card.account(order_id).live) == ("voided", True)

    world.clock.advance(timedelta(hours=1))
    await world.card_webhook(order_id)

    assert world.card.account(order_id).state == "voided"
    assert (await world.payments(order_id))[0].state == "voided"


@pytest.mark.rule("ST-21")
async def test_a_payment_that_cannot_be_understood_does_not_keep_the_sweep_from_others(
    world: World, member: str
) -> None:
    spoilt, sound = await placing(world, member), await placing(world, new_member())
    for order_id in (spoilt, sound):
        world.card.faults.calls.append("lost")
        world.card.faults.down = True
        await world.authorised(order_id)
    world.card.faults.down = False
    world.clock.advance(timedelta(minutes=1))

    def tamper(call: PartnerCall) -> None:
        if call.order_id == spoilt:
            raise ZeroDivisionError

    world.card.tampered = tamper
    swept = await world.swept()

    assert swept == (1, 1)
    assert (await world.order(sound)).payment.state == "authorised"  # type: ignore[union-attr]  # it has one
