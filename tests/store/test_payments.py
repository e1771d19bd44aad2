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
from tests.store.shop import Shop, as_member, new_member, request_id

SECOND = timedelta(seconds=1)
CAUSES = {"ja": "カード会社", "en": "issuer", "zh_Hans": "发卡公司"}


async def placing(shop: Shop, member: str, means: str = "card") -> str:
    view = await shop.ready(member, means)
    await shop.begun(view)
    return view.order_id


@pytest.mark.rule("ST-23")
async def test_a_declined_card_is_answered_with_its_code_and_nothing_is_placed(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.next_result, shop.card.next_decline = "declined", "card-declined-funds"

    payment = await shop.authorised(order_id)

    assert (payment.state, payment.decline_code) == ("declined", "card-declined-funds")
    assert (await shop.abandoned(order_id)).state == "checkout"
    assert await shop.told(order_id) == []


@pytest.mark.rule("ST-23")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_decline_of_a_card_is_explained_with_advice_to_ask_the_issuer(language: str) -> None:
    from services.store.payments.partners import card  # noqa: PLC0415  # its table is what is looked at

    texts = Texts.load()

    for code in {*card._DECLINES.values(), card._DECLINED, card._NOT_USABLE}:
        assert CAUSES[language] in texts.render(code, language), code  # type: ignore[arg-type]  # one of LANGUAGES


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("fault", ["lost", "done-and-lost", "failed", "done-and-failed"])
async def test_an_answer_that_is_lost_never_charges_twice(shop: Shop, member: str, fault: Fault) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append(fault)

    first = await shop.authorised(order_id)
    shop.clock.advance(timedelta(minutes=1))
    then = await shop.authorised(order_id)

    assert first.state in {"unknown", "authorised"}
    assert then.state == "authorised"
    assert len(shop.card.accounts) == 1
    assert {key for key in shop.card.asked if key.endswith("authorise")} == {f"{order_id}-1/authorise"}


@pytest.mark.rule("ST-21")
async def test_what_a_late_look_up_does_not_show_is_not_asked_for_under_another_key(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.late = timedelta(minutes=5)

    states = []
    for _ in range(7):
        states.append((await shop.authorised(order_id)).state)
        shop.clock.advance(timedelta(minutes=1))

    assert states[0] == "unknown"
    assert states[-1] == "authorised"
    assert len(shop.card.accounts) == 1


async def test_an_open_outcome_is_answered_as_unknown_and_the_same_request_finds_out_later(
    shop: Shop, member: str
) -> None:
    order_id, asked = await placing(shop, member), request_id()
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.down = True

    assert (await shop.authorised(order_id, request_id=asked)).state == "unknown"

    shop.card.faults.down = False
    assert (await shop.authorised(order_id, request_id=asked)).state == "authorised"


@pytest.mark.rule("ST-21")
async def test_the_sweep_finds_out_what_nobody_asks_about_any_more_and_tells_the_process(
    shop: Shop, member: str
) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.down = True
    await shop.authorised(order_id)
    shop.clock.advance(timedelta(minutes=1))
    assert await shop.swept() == (0, 1)

    shop.card.faults.down = False
    shop.clock.advance(timedelta(minutes=1))

    assert await shop.swept() == (1, 0)
    assert (await shop.order(order_id)).payment.state == "authorised"  # type: ignore[union-attr]  # it has one
    assert await shop.told(order_id) == ["payment_changed"]


async def test_somebody_elses_call_that_is_under_way_is_not_made_a_second_time(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("lost")
    await shop.authorised(order_id)

    shop.clock.advance(timedelta(seconds=14))
    await shop.authorised(order_id)
    calls_soon = len(shop.card.asked)
    shop.clock.advance(timedelta(seconds=1))
    await shop.authorised(order_id)

    assert (calls_soon, len(shop.card.asked)) == (1, 2)


@pytest.mark.rule("ST-21")
async def test_a_payer_has_thirty_minutes_at_the_partners_page(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member, "epos")

    payment = await shop.authorised(order_id)

    assert (payment.state, payment.action_until) == ("requires-action", shop.clock.now() + timedelta(minutes=30))
    assert payment.redirect_url.startswith("https://partner.example/")
    assert (await shop.order(order_id)).state == "awaiting-payer"


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize(
    ("at", "state"), [(-SECOND, "authorised"), (timedelta(), "declined"), (SECOND, "declined")], ids=["-1s", "0", "+1s"]
)
async def test_a_payer_who_comes_back_when_the_time_is_up_has_paid_nothing(
    shop: Shop, member: str, at: timedelta, state: str
) -> None:
    order_id = await placing(shop, member, "epos")
    payment = await shop.authorised(order_id)
    assert payment.action_until is not None
    shop.epos.decide(order_id, "authorised")

    shop.clock.advance(payment.action_until + at - shop.clock.now())
    returned = await shop.store.payments.payer_returned(
        as_member(member), PayerReturned(request_id=request_id(), order_id=order_id)
    )

    assert returned.state == state
    assert shop.epos.account(order_id).state == ("authorised" if state == "authorised" else "voided")


async def kept(shop: Shop) -> int:
    """How many answers to commands the store keeps."""
    async with shop.database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(requests)) or 0


@pytest.mark.parametrize("decided", [None, "authorised", "declined"])
async def test_a_payers_page_that_is_loaded_again_writes_nothing(
    shop: Shop, member: str, decided: PaymentState | None
) -> None:
    order_id = await placing(shop, member, "epos")
    await shop.authorised(order_id)
    if decided:
        shop.epos.decide(order_id, decided)

    async def load() -> str:
        asked = PayerReturned(request_id=request_id(), order_id=order_id)
        return (await shop.store.payments.payer_returned(as_member(member), asked)).state

    before = await kept(shop)
    first = await load()
    settled = await kept(shop)
    again = [await load() for _ in range(3)]

    assert {first, *again} == {decided or "requires-action"}
    assert settled - before == bool(decided)
    assert await kept(shop) == settled


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize("comes_back", [True, False])
async def test_the_timer_asks_and_follows_the_answer(shop: Shop, member: str, *, comes_back: bool) -> None:
    order_id = await placing(shop, member, "epos")
    payment = await shop.authorised(order_id)
    if comes_back:
        shop.epos.decide(order_id, "authorised")
        await shop.store.payments.payer_returned(
            as_member(member), PayerReturned(request_id=request_id(), order_id=order_id)
        )

    answer = await shop.authorised(order_id, as_of=payment.action_until)

    assert (answer.state, answer.decline_code) == (("authorised", "") if comes_back else ("declined", "payer-too-late"))
    assert shop.epos.account(order_id).state == ("authorised" if comes_back else "voided")


@pytest.mark.rule("PR-06")
async def test_return_and_timer_at_once_agree_on_one_outcome(shop: Shop) -> None:
    for _ in range(10):
        order_id = await placing(shop, member := new_member(), "epos")
        payment = await shop.authorised(order_id)
        shop.epos.decide(order_id, "authorised")
        back = PayerReturned(request_id=request_id(), order_id=order_id)

        returned, timed = await asyncio.gather(
            shop.store.payments.payer_returned(as_member(member), back),
            shop.authorised(order_id, as_of=payment.action_until),
        )

        final = (await shop.payments(order_id))[0]
        assert timed.state == final.view().state
        assert returned.state in {timed.state, "authorised"}
        await shop.store.intents.pursue(payment.payment_id)
        live = shop.epos.account(order_id).live
        assert live == (timed.state == "authorised")


async def test_who_left_the_partners_page_for_good_is_called_off_by_the_sweep(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member, "epos")
    await shop.authorised(order_id)

    shop.clock.advance(timedelta(minutes=30))
    await shop.swept()

    (payment,) = await shop.payments(order_id)
    assert (payment.state, payment.decline_code) == ("voided", "payer-too-late")
    assert shop.epos.account(order_id).state == "voided"
    assert await shop.told(order_id) == ["payment_changed", "payment_changed"]


@pytest.mark.rule("PR-15")
async def test_another_members_payment_is_not_found(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member, "epos")
    await shop.authorised(order_id)

    with pytest.raises(NotFound):
        await shop.store.payments.payer_returned(
            as_member(new_member()), PayerReturned(request_id=request_id(), order_id=order_id)
        )


@pytest.mark.rule("ST-26")
async def test_the_money_is_captured_when_the_order_leaves_and_once(shop: Shop, member: str) -> None:
    order = await shop.placed(member)
    assert shop.card.account(order.order_id).captured == 0

    payment = await shop.captured(order.order_id)

    assert payment.state == "captured"
    assert shop.card.account(order.order_id).captured == 3_300
    assert (await shop.captured(order.order_id)).state == "captured"
    assert shop.card.asked.count(f"{order.order_id}-1/capture") == 1


@pytest.mark.parametrize("fault", ["lost", "done-and-lost"])
async def test_a_capture_whose_answer_is_lost_is_tried_again_until_it_is_known(
    shop: Shop, member: str, fault: Fault
) -> None:
    order, asked = await shop.placed(member), request_id()
    shop.card.faults.calls.append(fault)
    shop.card.faults.down = True

    with pytest.raises(PartnerSilent):
        await shop.captured(order.order_id, request_id=asked)

    shop.card.faults.down = False
    shop.clock.advance(timedelta(minutes=1))
    assert (await shop.captured(order.order_id, request_id=asked)).state == "captured"
    assert shop.card.account(order.order_id).captured == 3_300


async def test_nothing_is_captured_of_an_order_that_was_not_placed(shop: Shop, member: str) -> None:
    view = await shop.ready(member)

    with pytest.raises(PaymentMissing):
        await shop.captured(view.order_id)


async def test_a_late_authorisation_of_an_abandoned_try_is_given_back(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.late = timedelta(minutes=2)
    assert (await shop.authorised(order_id)).state == "unknown"

    await shop.abandoned(order_id)
    assert shop.card.account(order_id).live
    shop.clock.advance(timedelta(minutes=3))
    await shop.swept()

    assert shop.card.account(order_id).state == "voided"


async def test_a_call_that_never_arrived_is_given_up_once_it_would_have_shown(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("lost")
    await shop.authorised(order_id)
    await shop.abandoned(order_id)

    shop.clock.advance(timedelta(minutes=9))
    await shop.swept()
    assert (await shop.payments(order_id))[0].state == "asked"
    shop.clock.advance(timedelta(minutes=1))
    await shop.swept()

    assert (await shop.payments(order_id))[0].state == "voided"
    assert shop.card.asked == [f"{order_id}-1/authorise"]


async def test_what_was_given_up_and_shows_after_all_is_given_back(shop: Shop, member: str) -> None:
    order_id = await placing(shop, member)
    shop.card.faults.calls.append("done-and-lost")
    shop.card.faults.late = timedelta(hours=1)
    await shop.authorised(order_id)
    await shop.abandoned(order_id)
    shop.clock.advance(timedelta(minutes=11))
    await shop.swept()
    (payment,) = await shop.payments(order_id)
    assert (payment.state, shop.card.account(order_id).live) == ("voided", True)

    shop.clock.advance(timedelta(hours=1))
    await shop.card_webhook(order_id)

    assert shop.card.account(order_id).state == "voided"
    assert (await shop.payments(order_id))[0].state == "voided"


@pytest.mark.rule("ST-21")
async def test_a_payment_that_cannot_be_understood_does_not_keep_the_sweep_from_others(shop: Shop, member: str) -> None:
    spoilt, sound = await placing(shop, member), await placing(shop, new_member())
    for order_id in (spoilt, sound):
        shop.card.faults.calls.append("lost")
        shop.card.faults.down = True
        await shop.authorised(order_id)
    shop.card.faults.down = False
    shop.clock.advance(timedelta(minutes=1))

    def tamper(call: PartnerCall) -> None:
        if call.order_id == spoilt:
            raise ZeroDivisionError

    shop.card.tampered = tamper
    swept = await shop.swept()

    assert swept == (1, 1)
    assert (await shop.order(sound)).payment.state == "authorised"  # type: ignore[union-attr]  # it has one
