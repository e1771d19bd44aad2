"""The card processor, by its own SDK: authorised at the order, captured at dispatch; numbers never reach us (ST-22)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import stripe
from stripe.params import PaymentIntentCreateParams

from services.chassis.partners import ANSWERED_WITHIN, OutcomeUnknown
from services.store.cards.models import CardFacts
from services.store.intents.models import PartnerCall
from services.store.payments.models import PaymentState, Standing

_STATES: Mapping[str, PaymentState] = {
    "requires_payment_method": "declined",
    "requires_confirmation": "requires-action",
    "requires_action": "requires-action",
    "requires_capture": "authorised",
    "succeeded": "captured",
    "canceled": "voided",
}
_NOT_USABLE = "card-not-usable"
_DECLINED = "card-declined"
_DECLINES: Mapping[str, str] = {
    "insufficient_funds": "card-declined-funds",
    "card_velocity_exceeded": "card-declined-limit",
    "withdrawal_count_limit_exceeded": "card-declined-limit",
    "expired_card": "card-declined-expired",
    "invalid_expiry_month": "card-declined-expired",
    "invalid_expiry_year": "card-declined-expired",
    "incorrect_number": "card-declined-number",
    "invalid_number": "card-declined-number",
    "incorrect_cvc": "card-declined-security-code",
    "invalid_cvc": "card-declined-security-code",
    "authentication_required": "card-declined-authentication",
    "payment_intent_authentication_failure": "card-declined-authentication",
}
_CHARGE = ["latest_charge"]


class CardPartner:
    """Its payment intent is our payment."""

    def __init__(self, url: str, secret: str, public_url: str) -> None:
        self._http = stripe.HTTPXClient(timeout=ANSWERED_WITHIN)
        self._api = stripe.StripeClient(
            secret, base_addresses={"api": url}, http_client=self._http, max_network_retries=0
        ).v1
        self._public_url = public_url

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def authorise(self, call: PartnerCall) -> Standing:
        wanted = self._wanted(call)
        wanted["return_url"] = call.return_url(self._public_url)
        # Kept with the processor at least until the order is over: an authorisation that lapses is renewed with it.
        wanted["setup_future_usage"] = "off_session"
        return await self._create(wanted, call)

    async def renew(self, call: PartnerCall) -> Standing:
        wanted = self._wanted(call)
        wanted["off_session"] = True
        return await self._create(wanted, call)

    async def capture(self, call: PartnerCall) -> Standing:
        try:
            async with _outcome():
                taken = await self._api.payment_intents.capture_async(
                    call.partner_ref, {"expand": _CHARGE}, {"idempotency_key": call.key}
                )
        except stripe.InvalidRequestError:
            return await self._sure(call)
        return _standing(taken)

    async def void(self, call: PartnerCall) -> Standing:
        try:
            async with _outcome():
                given_up = await self._api.payment_intents.cancel_async(
                    call.partner_ref, {"expand": _CHARGE}, {"idempotency_key": call.key}
                )
        except stripe.InvalidRequestError:
            return await self._sure(call)
        return _standing(given_up)

    async def refund(self, call: PartnerCall) -> Standing:
        try:
            async with _outcome():
                await self._api.refunds.create_async(
                    {
                        "payment_intent": call.partner_ref,
                        "amount": call.amount,
                        "metadata": {"merchant_ref": call.merchant_ref},
                    },
                    {"idempotency_key": call.key},
                )
        except stripe.InvalidRequestError:
            pass  # there is nothing left to refund: how it stands says the rest
        return await self._sure(call)

    async def look_up(self, call: PartnerCall) -> Standing | None:
        if call.partner_ref:
            return await self._retrieved(call.partner_ref)
        if not call.customer_ref:
            return None
        async with _outcome():
            # The list of a customer's is up to date at once, the processor's search is not.
            listed = await self._api.payment_intents.list_async(
                {"customer": call.customer_ref, "limit": 100, "expand": ["data.latest_charge"]}
            )
            async for intent in listed.auto_paging_iter():
                metadata = intent.metadata.to_dict() if intent.metadata else {}
                if metadata.get("merchant_ref") == call.merchant_ref:
                    return _standing(intent)
        return None

    async def describe(self, token: str) -> CardFacts | None:
        try:
            async with _outcome():
                method = await self._api.payment_methods.retrieve_async(token)
        except stripe.InvalidRequestError:
            return None
        if method.card is None:
            return None
        return CardFacts(
            processor_ref=method.id,
            brand=method.card.brand,
            last4=method.card.last4 or "",
            expiry_month=method.card.exp_month,
            expiry_year=method.card.exp_year,
        )

    async def customer(self, member_id: str) -> str:
        async with _outcome():
            made = await self._api.customers.create_async(
                {"metadata": {"member": member_id}}, {"idempotency_key": f"customer/{member_id}"}
            )
        return made.id

    async def detach(self, card_ref: str) -> None:
        try:
            async with _outcome():
                await self._api.payment_methods.detach_async(card_ref)
        except stripe.InvalidRequestError:
            return  # it is not attached to anybody: forgotten already

    def _wanted(self, call: PartnerCall) -> PaymentIntentCreateParams:
        return {
            "amount": call.amount,
            "currency": "jpy",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": call.card_ref,
            "customer": call.customer_ref,
            "metadata": {"merchant_ref": call.merchant_ref, "order": call.order_id},
            "expand": _CHARGE,
        }

    async def _create(self, wanted: PaymentIntentCreateParams, call: PartnerCall) -> Standing:
        try:
            async with _outcome():
                made = await self._api.payment_intents.create_async(wanted, {"idempotency_key": call.key})
        except stripe.CardError as declined:
            intent = declined.error.payment_intent if declined.error else None
            code = _decline(getattr(declined.error, "decline_code", None), declined.code)
            return Standing(ref=intent.id if intent else "", state="declined", decline_code=code)
        except stripe.InvalidRequestError:
            return Standing(state="declined", decline_code=_NOT_USABLE)
        return _standing(made)

    async def _retrieved(self, partner_ref: str) -> Standing | None:
        try:
            async with _outcome():
                return _standing(await self._api.payment_intents.retrieve_async(partner_ref, {"expand": _CHARGE}))
        except stripe.InvalidRequestError:
            return None

    async def _sure(self, call: PartnerCall) -> Standing:
        found = await self._retrieved(call.partner_ref)
        if found is None:
            raise OutcomeUnknown(answered=False)
        return found


@asynccontextmanager
async def _outcome() -> AsyncIterator[None]:
    """What the SDK raises, as what it says of the outcome; a refusal stays what it is."""
    try:
        yield
    except stripe.APIConnectionError as lost:
        raise OutcomeUnknown(answered=False) from lost
    except stripe.IdempotencyError as busy:
        if busy.http_status != 409:  # noqa: PLR2004  # the call under this key is under way; anything else is our defect
            raise
        raise OutcomeUnknown(answered=False) from busy
    except (stripe.AuthenticationError, stripe.PermissionError, stripe.RateLimitError) as not_heard:
        raise OutcomeUnknown(answered=False) from not_heard
    except stripe.APIError as failed:
        raise OutcomeUnknown(answered=True) from failed


def _standing(intent: stripe.PaymentIntent) -> Standing:
    state = _STATES.get(intent.status)
    if state is None:
        raise OutcomeUnknown(answered=False)  # "processing": the bank has not decided
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    action = intent.next_action.redirect_to_url if intent.next_action else None
    error = intent.last_payment_error
    return Standing(
        ref=intent.id,
        state=state,
        authorised=intent.amount if state in {"authorised", "captured"} else 0,
        captured=intent.amount_received,
        refunded=charge.amount_refunded if charge else 0,
        decline_code=_decline(getattr(error, "decline_code", None), getattr(error, "code", None))
        if state == "declined"
        else "",
        redirect_url=(action.url or "") if action else "",
        authorised_until=_until(charge) if state == "authorised" else None,
    )


def _until(charge: stripe.Charge | None) -> datetime | None:
    details = charge.payment_method_details if charge else None
    before = details.card.capture_before if details and details.card else None
    return datetime.fromtimestamp(before, UTC) if before else None


def _decline(*codes: str | None) -> str:
    """The text code of the first reason that is known (ST-23)."""
    return next((_DECLINES[code] for code in codes if code and code in _DECLINES), _DECLINED)
