from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.sandbox.harness import SIGNING_KEYS, Received, Sandbox
from tests.support.waiting import until


async def told(sandbox: Sandbox, *refs: str) -> None:
    """Makes the maker send one webhook for each."""
    for ref in refs:
        await sandbox.press(f"orders/{ref}/number-replied", key_number="AB12CD34")


def truly_signed(it: Received, age: timedelta = timedelta(minutes=5)) -> bool:
    key_id, timestamp = it.headers["webhook-id"], it.headers["webhook-timestamp"]
    content = b".".join([key_id.encode(), timestamp.encode(), it.content])
    mac = hmac.new(SIGNING_KEYS[it.partner].encode(), content, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(mac).decode()}"
    return expected == it.headers["webhook-signature"]


async def test_a_webhook_is_signed_by_its_partner_and_says_when_and_what(sandbox: Sandbox) -> None:
    await told(sandbox, "ord_1")

    it = await sandbox.receiver.one("number_replied")
    assert (it.partner, truly_signed(it)) == ("maker", True)
    assert it.body["id"] == it.headers["webhook-id"]
    assert set(it.body) == {"id", "type", "occurred_at", "data"}
    assert abs(int(it.headers["webhook-timestamp"]) - sandbox.clock.now().timestamp()) < 60


async def test_it_is_sent_under_one_id_until_it_is_taken(sandbox: Sandbox) -> None:
    sandbox.receiver.statuses[:] = [500, 404, 302]
    began = time.monotonic()

    await told(sandbox, "ord_1")

    tries = await sandbox.receiver.all("number_replied", 4)
    assert len({it.headers["webhook-id"] for it in tries}) == 1
    assert time.monotonic() - began > 0.2 + 0.4 + 0.8
    (logged,) = await delivered(sandbox, 1)
    assert (logged["attempts"], logged["outcome"]) == (4, "200")
    assert logged["body"]["data"]["key_number"] == "••••••••"


async def delivered(sandbox: Sandbox, number: int) -> list[dict[str, Any]]:
    """The log, as soon as so many are noted as delivered."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        found = await sandbox.seen("webhooks", state="delivered")
    return found


async def test_a_replay_repeats_the_id_and_is_signed_anew(sandbox: Sandbox) -> None:
    await told(sandbox, "ord_1")
    first = await sandbox.receiver.one("number_replied")
    await sandbox.pass_time(timedelta(minutes=10))

    await sandbox.press(f"webhooks/{first.body['id']}/replay", times=3)

    copies = (await sandbox.receiver.all("number_replied", 4))[1:]
    assert all(it.content == first.content and truly_signed(it) for it in copies)
    assert int(copies[0].headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 600


async def test_a_rule_doubles_and_delays_what_a_partner_sends(sandbox: Sandbox) -> None:
    await sandbox.press("webhook-rules/maker", "PUT", copies=2, delay_ms=300)
    began = time.monotonic()

    await told(sandbox, "ord_1")

    await sandbox.receiver.all("number_replied", 2)
    assert time.monotonic() - began > 0.3


@pytest.mark.parametrize(("order", "expected"), [("sent", "123"), ("reversed", "321")])
async def test_what_is_held_is_let_go_in_the_order_asked_for(sandbox: Sandbox, order: str, expected: str) -> None:
    await sandbox.press("webhook-rules/maker", "PUT", hold=True)
    await told(sandbox, "1", "2", "3")
    held = await sandbox.seen("webhooks", state="held")

    released = await sandbox.press("webhooks/release", order=order)

    came = [it.data["order_ref"] for it in await sandbox.receiver.all("number_replied", 3)]
    assert (len(held), released["released"], "".join(came)) == (3, 3, expected)


async def test_a_forged_one_carries_a_false_signature_and_is_sent_once(sandbox: Sandbox) -> None:
    await told(sandbox, "ord_1")
    first = await sandbox.receiver.one("number_replied")
    sandbox.receiver.statuses[:] = [401, 401]

    await sandbox.press(f"webhooks/{first.body['id']}/forge")
    await sandbox.press("webhooks/forge", partner="maker", type="ready", data={"order_ref": "ord_9"})

    forged = [(await sandbox.receiver.all("number_replied", 2))[1], await sandbox.receiver.one("ready")]
    assert not any(truly_signed(it) for it in forged)
    refused: list[object] = []
    while len(refused) < 2:
        refused = await sandbox.seen("webhooks", state="refused")


async def test_a_stale_one_is_truly_signed_an_hour_ago(sandbox: Sandbox) -> None:
    await told(sandbox, "ord_1")
    first = await sandbox.receiver.one("number_replied")

    await sandbox.press(f"webhooks/{first.body['id']}/stale")

    stale = (await sandbox.receiver.all("number_replied", 2))[1]
    assert truly_signed(stale)
    assert sandbox.clock.now().timestamp() - int(stale.headers["webhook-timestamp"]) >= 3600


@pytest.mark.parametrize("manner", ["forge", "stale"])
async def test_the_card_processors_events_can_be_forged_and_stale_too(sandbox: Sandbox, manner: str) -> None:
    await sandbox.press("webhooks/forge", partner="card", type="payment_intent.succeeded", data={})
    invented = await sandbox.receiver.one("payment_intent.succeeded")

    await sandbox.press(f"webhooks/{invented.body['id']}/{manner}")

    await until(lambda: len(sandbox.receiver.received) == 2)
    tampered = sandbox.receiver.received[1]
    told_at = int(tampered.headers["stripe-signature"].split(",")[0].removeprefix("t="))
    check = stripe.WebhookSignature.verify_header
    key, header = SIGNING_KEYS["card"], tampered.headers["stripe-signature"]
    if manner == "stale":
        assert check(tampered.content.decode(), header, key)
        assert sandbox.clock.now().timestamp() - told_at >= 3600
    else:
        with pytest.raises(stripe.SignatureVerificationError):
            check(tampered.content.decode(), header, key)
