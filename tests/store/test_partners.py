"""The adapters against the partners' stand-ins, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.ports import free_port
from services.chassis.ids import new_id
from services.chassis.partners import JsonPartner, OutcomeUnknown
from services.store.intents.models import PartnerCall
from services.store.models import Means
from services.store.payments.models import Standing, Step
from services.store.payments.partners.card import CardPartner
from services.store.payments.partners.deferred import DeferredPartner
from services.store.payments.partners.epos import EposPartner
from services.store.payments.ports import Partner
from tests.sandbox.harness import BEARERS, Sandbox
from tests.store.world import ORDERER
from tests.support.maintenance import under_maintenance

# The processor's SDK posts forms in a way that its HTTP client is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PUBLIC = "https://ruum.example"
MEANS: list[Means] = ["card", "deferred", "epos"]


class Partners:
    """The three adapters, told where the stand-ins are."""

    def __init__(self, url: str) -> None:
        self.card = CardPartner(f"{url}/card", BEARERS["card"], PUBLIC)
        self._json = {name: JsonPartner(f"{url}/{name}", BEARERS[name]) for name in ("deferred", "epos")}
        self.deferred = DeferredPartner(self._json["deferred"])
        self.epos = EposPartner(self._json["epos"], PUBLIC)

    def of(self, means: Means) -> Partner:
        partner: Partner = getattr(self, means)
        return partner

    async def close(self) -> None:
        await self.card.close()
        for one in self._json.values():
            await one.close()


@pytest.fixture(scope="module")
async def partners(started_sandbox: Sandbox) -> AsyncIterator[Partners]:
    partners = Partners(started_sandbox.url)
    yield partners
    await partners.close()


def call(means: Means, step: Step = "authorise", said: Standing | None = None, **more: Any) -> PartnerCall:
    merchant_ref = more.pop("merchant_ref", None) or f"{new_id('ord')}-1"
    home = ORDERER.address.model_dump()
    stated = {
        "intent_id": "int",
        "payment_id": "pay",
        "key": f"{merchant_ref}/{step}",
        "partner_ref": said.ref if said else "",
        "amount": 3_300,
        "order_id": merchant_ref[:-2],
        "member_id": "mem",
        "unwanted": False,
        "tries": 0,
        "asked_at": None,
        "buyer": {"name": ORDERER.name, "email": ORDERER.email, **home},
        "delivery": {"name": ORDERER.name, **home},
    }
    return PartnerCall.model_validate(stated | {"means": means, "step": step, "merchant_ref": merchant_ref} | more)


async def card_call(partners: Partners, token: str = "pm_card_visa", **more: Any) -> PartnerCall:
    facts = await partners.card.describe(token)
    assert facts is not None
    customer = await partners.card.customer(new_id("mem"))
    return call("card", card_ref=facts.processor_ref, customer_ref=customer, **more)


def then(first: PartnerCall, step: Step, said: Standing, **more: Any) -> PartnerCall:
    """The next call for the same payment."""
    changed = {"step": step, "key": f"{first.merchant_ref}/{step}", "partner_ref": said.ref, **more}
    return first.model_copy(update=changed)


async def agreed(partners: Partners, sandbox: Sandbox, means: Means) -> tuple[PartnerCall, Standing]:
    """A payment that the partner, and where need be the payer, agreed to."""
    asked = await card_call(partners) if means == "card" else call(means)
    said = await partners.of(means).authorise(asked)
    if means == "epos":
        await sandbox.press(f"payments/{said.ref}/decide", result="approved")
        found = await partners.epos.look_up(then(asked, "authorise", said))
        assert found is not None
        said = found
    assert (said.state, said.authorised, said.captured) == ("authorised", 3_300, 0)
    return asked, said


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("means", MEANS)
async def test_a_payment_is_authorised_captured_and_found_by_our_own_reference(
    partners: Partners, sandbox: Sandbox, means: Means
) -> None:
    asked, said = await agreed(partners, sandbox, means)

    taken = await partners.of(means).capture(then(asked, "capture", said))

    assert (taken.state, taken.captured, taken.refunded) == ("captured", 3_300, 0)
    by_ours = await partners.of(means).look_up(asked)
    by_theirs = await partners.of(means).look_up(then(asked, "capture", said))
    assert by_ours == by_theirs == taken
    assert await partners.of(means).look_up(call(means, customer_ref=asked.customer_ref)) is None


@pytest.mark.parametrize("means", MEANS)
async def test_what_was_promised_is_given_up_and_cannot_be_captured_any_more(
    partners: Partners, sandbox: Sandbox, means: Means
) -> None:
    asked, said = await agreed(partners, sandbox, means)

    given_up = await partners.of(means).void(then(asked, "void", said))

    assert (given_up.state, given_up.captured) == ("voided", 0)
    assert (await partners.of(means).capture(then(asked, "capture", said))).state == "voided"


@pytest.mark.parametrize("means", ["card", "epos"])
async def test_what_was_captured_is_paid_back_once(partners: Partners, sandbox: Sandbox, means: Means) -> None:
    asked, said = await agreed(partners, sandbox, means)
    await partners.of(means).capture(then(asked, "capture", said))

    back = await partners.of(means).refund(then(asked, "refund", said))
    again = await partners.of(means).refund(then(asked, "refund", said))

    assert (back.captured, back.refunded) == (again.captured, again.refunded) == (3_300, 3_300)
    other_key = then(asked, "refund", said, key="another")
    assert (await partners.of(means).refund(other_key)).refunded == 3_300


@pytest.mark.parametrize("means", MEANS)
async def test_a_call_repeated_under_its_key_acts_once(partners: Partners, sandbox: Sandbox, means: Means) -> None:
    asked = await card_call(partners) if means == "card" else call(means)

    first, second = [await partners.of(means).authorise(asked) for _ in range(2)]

    assert first.ref == second.ref


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("means", MEANS)
async def test_what_was_done_and_not_answered_is_unknown_and_found_afterwards(
    partners: Partners, sandbox: Sandbox, means: Means
) -> None:
    asked = await card_call(partners) if means == "card" else call(means)
    await sandbox.fault(means, withhold_s=0.05, times=1)

    with pytest.raises(OutcomeUnknown) as unknown:
        await partners.of(means).authorise(asked)

    assert unknown.value.answered
    found = await partners.of(means).look_up(asked)
    assert found is not None
    assert found == await partners.of(means).authorise(asked)


@pytest.mark.rule("QA-07")
@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("fault", [{"away": True}, {"error_rate": 1}])
async def test_a_partner_that_fails_says_nothing_of_the_outcome(
    partners: Partners, sandbox: Sandbox, means: Means, fault: dict[str, Any]
) -> None:
    asked, said = await agreed(partners, sandbox, means)
    await sandbox.fault(means, **fault)
    partner = partners.of(means)

    for call in (partner.look_up, partner.capture, partner.void):
        with pytest.raises(OutcomeUnknown):
            await call(then(asked, "capture", said))


@pytest.mark.parametrize("means", MEANS)
async def test_where_nobody_listens_the_outcome_is_unknown(means: Means) -> None:
    partners = Partners(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(OutcomeUnknown) as unknown:
        await partners.of(means).authorise(call(means, card_ref="pm_1", customer_ref="cus_1"))

    assert not unknown.value.answered
    await partners.close()


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("means", MEANS)
async def test_a_page_in_place_of_an_answer_leaves_the_outcome_open(means: Means) -> None:
    asked = call(means, card_ref="pm_1", customer_ref="cus_1")

    async with under_maintenance() as url:
        partners = Partners(url)
        for ask in (partners.of(means).authorise, partners.of(means).look_up):
            with pytest.raises(OutcomeUnknown):
                await ask(asked)
        await partners.close()


@pytest.mark.parametrize("means", MEANS)
async def test_a_secret_that_is_not_known_there_leaves_the_outcome_open(sandbox: Sandbox, means: Means) -> None:
    strangers = {"card": CardPartner(f"{sandbox.url}/card", "wrong", PUBLIC)}
    json = JsonPartner(f"{sandbox.url}/{means}", "wrong")
    partner = strangers.get(means) or {"deferred": DeferredPartner(json), "epos": EposPartner(json, PUBLIC)}[means]

    with pytest.raises(OutcomeUnknown):
        await partner.authorise(call(means, card_ref="pm_1", customer_ref="cus_1"))  # type: ignore[attr-defined]  # one of the three
    await json.close()
    await strangers["card"].close()


@pytest.mark.rule("ST-23")
@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("pm_card_visa_chargeDeclined", "card-declined"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card-declined-funds"),
        ("pm_card_visa_chargeDeclinedExpiredCard", "card-declined-expired"),
        ("pm_card_visa_chargeDeclinedIncorrectCvc", "card-declined-security-code"),
        ("pm_card_chargeDeclinedIncorrectNumber", "card-declined-number"),
    ],
)
async def test_a_declined_card_says_why(partners: Partners, sandbox: Sandbox, token: str, code: str) -> None:
    asked = await card_call(partners, token)

    said = await partners.card.authorise(asked)

    assert (said.state, said.decline_code, said.authorised) == ("declined", code, 0)
    assert said.ref
    assert await partners.card.look_up(asked) == said


@pytest.mark.rule("SK-23")
@pytest.mark.parametrize("brand", ["visa", "mastercard", "jcb", "amex", "diners"])
async def test_the_five_brands_are_taken(partners: Partners, sandbox: Sandbox, brand: str) -> None:
    facts = await partners.card.describe(f"pm_card_{brand}")

    assert facts is not None
    assert (facts.brand, len(facts.last4)) == (brand, 4)
    assert (await partners.card.authorise(await card_call(partners, f"pm_card_{brand}"))).state == "authorised"


async def test_a_card_that_was_used_up_or_never_was_cannot_pay(partners: Partners, sandbox: Sandbox) -> None:
    asked = await card_call(partners)
    await partners.card.authorise(asked)
    await partners.card.detach(asked.card_ref)
    await partners.card.detach(asked.card_ref)

    again = asked.model_copy(update={"key": "k2", "merchant_ref": "m2"})
    said = await partners.card.authorise(again)

    assert (said.state, said.decline_code) == ("declined", "card-not-usable")
    assert await partners.card.describe("pm_nonsense") is None


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [("succeeded", "authorised", ""), ("failed", "declined", "card-declined-authentication")],
)
async def test_three_d_secure_sends_the_payer_away_and_is_looked_up(
    partners: Partners, sandbox: Sandbox, outcome: str, state: str, code: str
) -> None:
    asked = await card_call(partners, "pm_card_threeDSecure2Required")

    said = await partners.card.authorise(asked)
    assert said.state == "requires-action"
    assert said.redirect_url.startswith("http")
    await sandbox.press(f"payment-intents/{said.ref}/authenticate", outcome=outcome)

    found = await partners.card.look_up(then(asked, "authorise", said))
    assert found is not None
    assert (found.state, found.decline_code) == (state, code)


@pytest.mark.rule("SK-38")
async def test_a_card_is_charged_anew_without_its_holder_as_long_as_it_is_kept(
    partners: Partners, sandbox: Sandbox
) -> None:
    asked, said = await agreed(partners, sandbox, "card")
    assert said.authorised_until is not None
    assert abs(said.authorised_until - sandbox.clock.now() - timedelta(days=7)) < timedelta(minutes=1)
    await sandbox.press(f"payment-intents/{said.ref}/lapse")
    lapsed = await partners.card.look_up(then(asked, "authorise", said))
    assert lapsed is not None
    assert lapsed.state == "voided"

    ref = f"{asked.order_id}-2"
    renewed = await partners.card.renew(
        asked.model_copy(update={"merchant_ref": ref, "key": f"{ref}/renew", "step": "renew"})
    )

    assert renewed.state == "authorised"
    assert renewed.ref != said.ref


async def test_a_card_that_wants_its_holder_cannot_be_renewed_without(partners: Partners, sandbox: Sandbox) -> None:
    asked = await card_call(partners, "pm_card_threeDSecure2Required")
    said = await partners.card.authorise(asked)
    await sandbox.press(f"payment-intents/{said.ref}/authenticate", outcome="succeeded")

    ref = f"{asked.order_id}-2"
    renewed = await partners.card.renew(asked.model_copy(update={"merchant_ref": ref, "key": f"{ref}/renew"}))

    assert (renewed.state, renewed.decline_code) == ("declined", "card-declined-authentication")


async def test_a_member_is_one_customer_who_says_nothing_of_the_person(partners: Partners, sandbox: Sandbox) -> None:
    member = new_id("mem")

    first, second = [await partners.card.customer(member) for _ in range(2)]

    assert first == second
    customer = await sandbox.stripe.v1.customers.retrieve_async(first)
    assert (customer.email, customer.name) == (None, None)


async def test_of_a_customer_that_the_processor_does_not_know_it_knows_no_payment(
    partners: Partners, sandbox: Sandbox
) -> None:
    stranger = call("card", card_ref="pm_1", customer_ref="cus_nobody")

    assert await partners.card.look_up(stranger) is None


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize(
    ("email", "state", "code"),
    [
        ("hanako@example.com", "authorised", ""),
        ("hold@example.com", "on-hold", ""),
        ("refuse@example.com", "declined", "deferred-refused"),
    ],
)
async def test_the_provider_agrees_holds_or_refuses(
    partners: Partners, sandbox: Sandbox, email: str, state: str, code: str
) -> None:
    asked = call("deferred", buyer={"name": "山田 花子", "email": email})

    said = await partners.deferred.authorise(asked)

    assert (said.state, said.decline_code) == (state, code)


async def test_beyond_the_providers_own_limit_it_says_so(partners: Partners, sandbox: Sandbox) -> None:
    said = await partners.deferred.authorise(call("deferred", amount=55_001))

    assert (said.state, said.decline_code) == ("declined", "deferred-limit-reached")


async def test_a_hold_gets_no_invoice_and_is_settled_by_the_review(partners: Partners, sandbox: Sandbox) -> None:
    asked = call("deferred", buyer={"name": "山田 花子", "email": "hold@example.com"})
    said = await partners.deferred.authorise(asked)

    assert (await partners.deferred.capture(then(asked, "capture", said))).state == "on-hold"

    await sandbox.press(f"transactions/{said.ref}/review", result="ok")
    found = await partners.deferred.look_up(then(asked, "authorise", said))
    assert found is not None
    assert found.state == "authorised"


async def test_an_invoice_names_its_days_and_says_when_it_was_paid(partners: Partners, sandbox: Sandbox) -> None:
    asked, said = await agreed(partners, sandbox, "deferred")

    issued = await partners.deferred.capture(then(asked, "capture", said))
    assert issued.invoice is not None
    assert issued.invoice.due_on - issued.invoice.issued_on == timedelta(days=14)
    assert not issued.paid
    await sandbox.press(f"transactions/{said.ref}/overdue")
    await sandbox.press(f"transactions/{said.ref}/paid")

    found = await partners.deferred.look_up(then(asked, "capture", said))
    assert found is not None
    assert found.invoice is not None
    assert (found.state, found.paid, found.invoice.charges) == ("captured", True, 297)
    assert (await partners.deferred.void(then(asked, "void", said))).state == "captured"


@pytest.mark.parametrize("result", ["approved", "declined"])
async def test_epos_is_decided_at_its_own_page(partners: Partners, sandbox: Sandbox, result: str) -> None:
    asked = call("epos")
    said = await partners.epos.authorise(asked)
    assert (said.state, said.redirect_url != "") == ("requires-action", True)
    (payment,) = await sandbox.seen("payments")
    assert payment["merchant_ref"] == asked.merchant_ref

    await sandbox.press(f"payments/{said.ref}/decide", result=result)

    found = await partners.epos.look_up(then(asked, "authorise", said))
    assert found is not None
    assert (found.state, found.decline_code) == (
        ("authorised", "") if result == "approved" else ("declined", "epos-declined")
    )


@pytest.mark.parametrize("means", ["deferred", "epos"])
async def test_what_does_not_lapse_is_not_renewed(partners: Partners, sandbox: Sandbox, means: Means) -> None:
    said = await partners.of(means).renew(call(means, "renew"))

    assert (said.state, said.decline_code) == ("declined", "authorisation-lapsed")
