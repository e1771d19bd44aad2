"""Partners' messages: signed, taken once, in any order; they only say that it is time to look (QA-06)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from random import Random

import pytest

from services.chassis.clock import FixedClock
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.chassis.webhooks import (
    StandardWebhooks,
    StripeWebhooks,
    WebhookForged,
    WebhookMalformed,
    WebhookStale,
)
from services.store.intents.domain import PartnerSilent
from tests.store.world import GATEWAY, SECRET, World, new_member


async def waiting(world: World, member: str) -> str:
    view = await world.ready(member, "epos")
    await world.begun(view)
    await world.authorised(view.order_id)
    return view.order_id


@pytest.mark.rule("QA-06")
async def test_a_message_doubled_twenty_times_acts_once(world: World, member: str) -> None:
    order_id = await waiting(world, member)
    world.epos.decide(order_id, "authorised")
    event_id = new_id("evt")

    receipts = await asyncio.gather(*(world.webhook("epos", order_id, id=event_id) for _ in range(20)))

    assert [receipt.seen_before for receipt in receipts].count(False) == 1
    assert await world.told(order_id) == ["payment_changed"]
    assert (await world.payments(order_id))[0].state == "authorised"


@pytest.mark.rule("QA-06")
async def test_in_whatever_order_messages_come_the_end_is_the_same(world: World) -> None:
    ends = set()
    for seed in range(6):
        order_id = await waiting(world, new_member())
        kinds = ["payment_decided", "opened", "captured", "noise"] * 2
        Random(seed).shuffle(kinds)
        world.epos.decide(order_id, "authorised")

        for kind in kinds:
            await world.webhook("epos", order_id, kind)

        (payment,) = await world.payments(order_id)
        ends.add((payment.state, payment.authorised, payment.captured, tuple(await world.told(order_id))))
    assert ends == {("authorised", 3_300, 0, ("payment_changed",))}


@pytest.mark.rule("QA-06")
async def test_forged_stale_and_malformed_messages_are_refused_and_change_nothing(world: World, member: str) -> None:
    order_id = await waiting(world, member)
    world.epos.decide(order_id, "authorised")
    body = json.dumps({"id": "evt_1", "type": "x", "data": {"merchant_ref": f"{order_id}-1"}}).encode()
    old = FixedClock(world.clock.now() - timedelta(hours=1))
    refusals = [
        (WebhookForged, StandardWebhooks(["guess"], world.clock).sign("evt_1", body), body),
        (WebhookStale, StandardWebhooks([SECRET], old).sign("evt_1", body), body),
        (WebhookMalformed, {}, body),
    ]
    refusals += [
        (WebhookMalformed, StandardWebhooks([SECRET], world.clock).sign("evt_1", content), content)
        for content in (b"[]", b"{}", b'{"id": 1}', b"nothing", b'{"id": "e", "type": "x", "data": []}')
    ]

    for refusal, headers, content in refusals:
        with pytest.raises(refusal):
            await world.store.webhooks.receive(GATEWAY, "epos", headers, content)

    assert (await world.payments(order_id))[0].state == "requires-action"
    with pytest.raises(NotFound):
        await world.store.webhooks.receive(GATEWAY, "maker", {}, b"{}")


async def test_a_message_about_nothing_of_ours_is_taken_and_left(world: World) -> None:
    receipt = await world.webhook("deferred", "ord_00000000000000000000000000")

    assert not receipt.seen_before


async def test_while_the_partner_cannot_be_asked_its_message_has_to_come_again(world: World, member: str) -> None:
    order_id, event_id = await waiting(world, member), new_id("evt")
    world.epos.decide(order_id, "authorised")
    world.epos.faults.down = True

    with pytest.raises(PartnerSilent):
        await world.webhook("epos", order_id, id=event_id)

    world.epos.faults.down = False
    assert not (await world.webhook("epos", order_id, id=event_id)).seen_before
    assert (await world.payments(order_id))[0].state == "authorised"


async def test_a_card_payment_is_found_by_the_processors_reference_too(world: World, member: str) -> None:
    order = await world.placed(member)
    world.card.decide(order.order_id, "voided")
    ref = world.card.account(order.order_id).ref
    event = {
        "id": new_id("evt"),
        "type": "charge.expired",
        "data": {"object": {"object": "charge", "payment_intent": ref}},
    }
    body = json.dumps(event).encode()

    await world.store.webhooks.receive(GATEWAY, "card", StripeWebhooks([SECRET], world.clock).sign(body), body)

    assert (await world.payments(order.order_id))[0].decline_code == "authorisation-lapsed"
    assert (await world.told(order.order_id))[-1] == "payment_changed"


@pytest.mark.rule("ST-27")
async def test_a_refund_that_failed_afterwards_stands_in_the_books_as_a_problem(world: World, member: str) -> None:
    order = await world.placed(member)
    await world.captured(order.order_id)
    await world.cancelled(order.order_id)
    world.card.account(order.order_id).refunded = 0

    await world.card_webhook(order.order_id, "refund.failed")

    (payment,) = await world.payments(order.order_id)
    assert (payment.state, payment.refunded, payment.problem) == ("captured", 0, "refund-failed")
