from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import stripe

from tests.sandbox.harness import SIGNING_KEYS, Sandbox

# The processor's SDK calls httpx in a way that httpx has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

LAPSE = timedelta(days=7)


def authorisation(**more: Any) -> Any:
    return {
        "amount": 3300,
        "currency": "jpy",
        "capture_method": "manual",
        "confirm": True,
        "payment_method": "pm_card_visa",
        "payment_method_types": ["card"],
        "metadata": {"order": "ord_1", "step": "authorise"},
        **more,
    }


async def authorise(sandbox: Sandbox, key: str | None = None, **more: Any) -> stripe.PaymentIntent:
    options: Any = {"idempotency_key": key} if key else {}
    return await sandbox.stripe.v1.payment_intents.create_async(authorisation(**more), options)


async def test_an_authorised_amount_is_captured_and_both_are_told(sandbox: Sandbox) -> None:
    intent = await authorise(sandbox)

    captured = await sandbox.stripe.v1.payment_intents.capture_async(intent.id)

    assert (intent.status, intent.amount_capturable) == ("requires_capture", 3300)
    assert (captured.status, captured.amount_received) == ("succeeded", 3300)
    for kind in ("payment_intent.amount_capturable_updated", "payment_intent.succeeded"):
        told = await sandbox.receiver.one(kind)
        event = stripe.Webhook.construct_event(told.content, told.headers["stripe-signature"], SIGNING_KEYS["card"])
        assert event.data.object["id"] == intent.id


async def test_a_part_may_be_captured_and_never_more_than_was_authorised(sandbox: Sandbox) -> None:
    intent = await authorise(sandbox)

    with pytest.raises(stripe.InvalidRequestError, match="greater"):
        await sandbox.stripe.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 3301})
    captured = await sandbox.stripe.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 1000})

    assert (captured.amount_received, captured.amount_capturable) == (1000, 0)


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_visa_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedIncorrectNumber", "incorrect_number", "incorrect_number"),
    ],
)
async def test_a_bad_card_is_declined_with_its_reason(
    sandbox: Sandbox, method: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await authorise(sandbox, payment_method=method)

    assert (declined.value.code, declined.value.http_status) == (code, 402)
    assert declined.value.error is not None
    assert declined.value.error.decline_code == decline_code
    (kept,) = await sandbox.seen("payment-intents")
    assert kept["status"] == "requires_payment_method"


@pytest.mark.parametrize("brand", ["visa", "mastercard", "jcb", "amex", "diners"])
async def test_each_brand_is_taken(sandbox: Sandbox, brand: str) -> None:
    intent = await authorise(sandbox, payment_method=f"pm_card_{brand}", expand=["payment_method"])

    assert intent.status == "requires_capture"
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert intent.payment_method.card is not None
    assert intent.payment_method.card.brand == brand


async def test_the_console_declines_the_next_card_and_no_more(sandbox: Sandbox) -> None:
    await sandbox.press("next", "PUT", card={"decline_code": "insufficient_funds", "times": 1})

    with pytest.raises(stripe.CardError):
        await authorise(sandbox)
    again = await authorise(sandbox)

    assert again.status == "requires_capture"


@pytest.mark.parametrize(
    ("outcome", "redirect_status", "status"),
    [("succeeded", "succeeded", "requires_capture"), ("failed", "failed", "requires_payment_method")],
)
async def test_three_d_secure_leads_the_person_to_the_issuer_and_back(
    sandbox: Sandbox, outcome: str, redirect_status: str, status: str
) -> None:
    intent = await authorise(
        sandbox, payment_method="pm_card_threeDSecure2Required", return_url="https://ruum.example/back?o=1"
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    page = str(intent.next_action.redirect_to_url.url)

    shown = await sandbox.http.get(page)
    sent_back = await sandbox.http.post(page, content=f"outcome={outcome}")

    assert (intent.status, shown.status_code) == ("requires_action", 200)
    assert parse_qs(urlsplit(sent_back.headers["location"]).query) == {
        "o": ["1"],
        "payment_intent": [intent.id],
        "redirect_status": [redirect_status],
    }
    assert (await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)).status == status


async def test_off_session_a_card_that_wants_its_owner_is_declined(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await authorise(sandbox, payment_method="pm_card_threeDSecure2Required", off_session=True)

    assert declined.value.code == "authentication_required"


@pytest.mark.parametrize(("method", "held"), [("pm_card_visa", LAPSE), ("pm_card_lapsesEarly", timedelta(days=1))])
async def test_an_authorisation_that_lapsed_is_not_captured(sandbox: Sandbox, method: str, held: timedelta) -> None:
    intent = await authorise(sandbox, payment_method=method, expand=["latest_charge"])
    await sandbox.pass_time(held - timedelta(seconds=30))
    before = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
    await sandbox.pass_time(timedelta(seconds=30))

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.stripe.v1.payment_intents.capture_async(intent.id)

    assert before.status == "requires_capture"
    assert refused.value.code == "payment_intent_unexpected_state"
    told = await sandbox.receiver.one("payment_intent.canceled")
    assert told.data["object"]["cancellation_reason"] == "expired"
    charge: Any = intent.latest_charge
    assert charge.payment_method_details.card.capture_before - intent.created == LAPSE.total_seconds()


async def test_the_same_key_and_parameters_give_the_same_intent(sandbox: Sandbox) -> None:
    first = await authorise(sandbox, key="order-1")

    second = await authorise(sandbox, key="order-1")

    assert first.id == second.id
    assert second.last_response is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert len(await sandbox.seen("payment-intents")) == 1


async def test_the_same_key_with_other_parameters_is_an_error(sandbox: Sandbox) -> None:
    await authorise(sandbox, key="order-1")

    with pytest.raises(stripe.IdempotencyError) as refused:
        await authorise(sandbox, key="order-1", amount=9900)

    assert refused.value.http_status == 400


async def test_a_key_in_use_is_a_conflict_and_acts_once(sandbox: Sandbox) -> None:
    await sandbox.fault("card", slow_ms=400)

    outcomes = await asyncio.gather(*(authorise(sandbox, key="order-1") for _ in range(4)), return_exceptions=True)

    conflicts = [it.http_status for it in outcomes if isinstance(it, stripe.StripeError)]
    assert conflicts == [409, 409, 409]
    assert len(await sandbox.seen("payment-intents")) == 1


async def test_a_decline_is_kept_under_its_key_and_wrong_parameters_are_not(sandbox: Sandbox) -> None:
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await authorise(sandbox, key="order-1", payment_method="pm_card_visa_chargeDeclined")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await authorise(sandbox, key="order-2", colour="blue")

    after = await authorise(sandbox, key="order-2")

    assert (unknown.value.code, unknown.value.param) == ("parameter_unknown", "colour")
    assert after.status == "requires_capture"
    assert len(await sandbox.seen("payment-intents")) == 2


async def test_an_intent_is_found_by_its_metadata_once_the_lag_is_over(sandbox: Sandbox) -> None:
    query: Any = {"query": "metadata['order']:'ord_1' AND metadata['step']:'authorise'"}
    await authorise(sandbox, metadata={"order": "ord_1", "step": "renew"})
    wanted = await authorise(sandbox)
    await sandbox.fault("card", lag_s=60)

    unseen = await sandbox.stripe.v1.payment_intents.search_async(query)
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await sandbox.stripe.v1.payment_intents.retrieve_async(wanted.id)
    await sandbox.fault("card")
    found = await sandbox.stripe.v1.payment_intents.search_async(query)

    assert (list(unseen.data), missing.value.http_status) == ([], 404)
    assert [intent.id for intent in found.data] == [wanted.id]


async def test_a_card_is_kept_for_its_customer_and_else_good_for_one_charge(sandbox: Sandbox) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"metadata": {"member": "mem_1"}})
    first = await authorise(sandbox, customer=customer.id, setup_future_usage="off_session")
    (kept,) = (await sandbox.stripe.v1.customers.payment_methods.list_async(customer.id)).data
    once = await authorise(sandbox)

    again = await authorise(sandbox, customer=customer.id, payment_method=kept.id, off_session=True)
    with pytest.raises(stripe.InvalidRequestError):
        await authorise(sandbox, payment_method=once.payment_method)
    await sandbox.stripe.v1.payment_methods.detach_async(kept.id)
    with pytest.raises(stripe.InvalidRequestError):
        await authorise(sandbox, customer=customer.id, payment_method=kept.id)

    assert (first.payment_method, again.status) == (kept.id, "requires_capture")


async def test_no_more_is_refunded_than_was_captured(sandbox: Sandbox) -> None:
    intent = await authorise(sandbox)
    await sandbox.stripe.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 3000})

    part = await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id, "amount": 2000})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id, "amount": 1001})
    rest = await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id})

    assert (part.amount, refused.value.code, rest.amount) == (2000, "amount_too_large", 1000)
    listed = await sandbox.stripe.v1.refunds.list_async({"payment_intent": intent.id})
    assert [refund.id for refund in listed.data] == [rest.id, part.id]


async def test_a_refund_to_a_dead_card_fails_afterwards(sandbox: Sandbox) -> None:
    intent = await authorise(sandbox, payment_method="pm_card_refundFail")
    await sandbox.stripe.v1.payment_intents.capture_async(intent.id)

    refund = await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id})

    told = await sandbox.receiver.one("refund.failed")
    assert (refund.status, told.data["object"]["status"]) == ("succeeded", "failed")
    assert told.data["object"]["failure_reason"] == "expired_or_canceled_card"


async def test_a_voided_authorisation_stays_voided(sandbox: Sandbox) -> None:
    intent = await authorise(sandbox)

    voided = await sandbox.stripe.v1.payment_intents.cancel_async(
        intent.id, {"cancellation_reason": "requested_by_customer"}
    )

    assert voided.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.payment_intents.capture_async(intent.id)


async def test_a_wrong_secret_gets_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await sandbox.stripe.v1.customers.create_async({}, {"api_key": "guessed"})


async def type_card(sandbox: Sandbox, **changed: str) -> httpx.Response:
    typed = {"number": "4242 4242 4242 4242", "exp": "12/40", "cvc": "123", "name": "TARO"}
    form = {**typed, "return": "https://ruum.example/checkout?o=1", **changed}
    return await sandbox.http.post("/card/form?lang=en", data=form)


async def test_the_form_turns_a_card_into_a_token_that_can_be_charged(sandbox: Sandbox) -> None:
    answer = await type_card(sandbox, number="3566 0020 2036 0505")

    back = parse_qs(urlsplit(answer.headers["location"]).query)
    method = await sandbox.stripe.v1.payment_methods.retrieve_async(back["payment_method"][0])
    assert back["o"] == ["1"]
    assert method.card is not None
    assert (method.card.brand, method.card.last4, method.card.exp_year) == ("jcb", "0505", 2040)
    assert (await authorise(sandbox, payment_method=method.id)).status == "requires_capture"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"number": "4242 4242 4242 4241"}, "check the card number"),
        ({"number": "6011 1111 1111 1117"}, "brand"),
        ({"exp": "34/12"}, "month/year"),
        ({"exp": "01/20"}, "expired"),
        ({"cvc": "1"}, "security code"),
    ],
)
async def test_the_form_says_what_is_wrong_with_a_card(sandbox: Sandbox, changed: dict[str, str], words: str) -> None:
    answer = await type_card(sandbox, **changed)

    assert answer.status_code == 422
    assert words in answer.text


@pytest.mark.parametrize(("lang", "title"), [("ja", "カード番号"), ("en", "Card number"), ("zh", "卡号")])
async def test_the_form_speaks_the_persons_language(sandbox: Sandbox, lang: str, title: str) -> None:
    answer = await sandbox.http.get("/card/form", params={"return": "https://ruum.example/", "lang": lang})

    assert title in answer.text
