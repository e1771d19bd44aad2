from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.sandbox.harness import YAMADA, Sandbox

CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "deferred": (
        "/deferred/transactions",
        {
            "merchant_ref": "ord_1",
            "amount": 3300,
            "buyer": {"name": "A"},
            "delivery": {"city": "札幌市"},
            "invoice_to": "buyer",
        },
        "transactions",
    ),
    "epos": (
        "/epos/payments",
        {"merchant_ref": "ord_1", "amount": 3300, "return_url": "https://ruum.example/"},
        "payments",
    ),
    "maker": (
        "/maker/orders",
        {"order_ref": "ord_1", "key_number": "AB12CD34", "kind": "normal", "quantity": 1, **YAMADA},
        "orders",
    ),
    "sms": ("/sms/messages", {"to": "+819012345678", "text": "A", "reference": "note_1"}, "inbox"),
}
each_partner = pytest.mark.parametrize("partner", CALLS)
each_keyed_partner = pytest.mark.parametrize("partner", ["deferred", "epos", "maker"])


async def act(sandbox: Sandbox, partner: str, key: str | None = None, **more: Any) -> Any:
    path, content, _ = CALLS[partner]
    return await sandbox.call("POST", path, {**content, **more}, key)


async def effects(sandbox: Sandbox, partner: str) -> int:
    return len(await sandbox.seen(CALLS[partner][2]))


@each_partner
@pytest.mark.parametrize(
    ("faults", "status"), [({"away": True}, 503), ({"error_rate": 1}, 500), ({"hang_s": 0.1}, 503)]
)
async def test_an_ailing_partner_does_nothing_and_then_recovers(
    sandbox: Sandbox, partner: str, faults: dict[str, Any], status: int
) -> None:
    await sandbox.fault(partner, **faults, times=1)

    ailing = await act(sandbox, partner)
    before = await effects(sandbox, partner)
    well = await act(sandbox, partner)

    assert (ailing.status_code, before) == (status, 0)
    assert well.is_success
    assert await effects(sandbox, partner) == 1


@each_partner
async def test_an_answer_can_be_withheld_though_the_thing_is_done(sandbox: Sandbox, partner: str) -> None:
    await sandbox.fault(partner, withhold_s=0.1, times=1)

    withheld = await act(sandbox, partner, key="step-1")
    done = await effects(sandbox, partner)
    again = await act(sandbox, partner, key="step-1")

    assert (withheld.status_code, done) == (504, 1)
    assert again.is_success
    assert await effects(sandbox, partner) == 1


async def test_a_slow_partner_answers_later(sandbox: Sandbox) -> None:
    await sandbox.fault("maker", slow_ms=300)
    began = time.monotonic()

    answer = await act(sandbox, "maker")

    assert answer.is_success
    assert time.monotonic() - began > 0.3


async def test_some_of_the_requests_fail(sandbox: Sandbox) -> None:
    await sandbox.fault("sms", error_rate=0.5)

    statuses = {(await act(sandbox, "sms")).status_code for _ in range(60)}

    assert statuses == {202, 500}


@pytest.mark.parametrize(
    ("partner", "path"),
    [
        ("deferred", "/deferred/transactions?merchant_ref=ord_1"),
        ("epos", "/epos/payments?merchant_ref=ord_1"),
        ("maker", "/maker/orders/ord_1"),
    ],
)
async def test_a_look_up_may_lag_behind(sandbox: Sandbox, partner: str, path: str) -> None:
    await sandbox.fault(partner, lag_s=0.5)
    await act(sandbox, partner)

    at_once = await sandbox.call("GET", path)
    await asyncio.sleep(0.5)
    later = await sandbox.call("GET", path)

    assert "ord_1" not in at_once.text
    assert "ord_1" in later.text


async def test_one_partners_fault_is_not_anothers(sandbox: Sandbox) -> None:
    await sandbox.fault("deferred", away=True)

    answer = await act(sandbox, "epos")

    assert answer.is_success


@each_keyed_partner
async def test_one_key_is_one_effect_and_one_answer(sandbox: Sandbox, partner: str) -> None:
    first = await act(sandbox, partner, key="step-1")

    second = await act(sandbox, partner, key="step-1")

    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    assert await effects(sandbox, partner) == 1


@each_keyed_partner
async def test_one_key_is_not_for_two_requests(sandbox: Sandbox, partner: str) -> None:
    path, content, _ = CALLS[partner]
    await act(sandbox, partner, key="step-1")

    other = await act(sandbox, partner, key="step-1", merchant_ref="ord_2")
    keyless = await sandbox.http.post(path, json=content, headers={"authorization": f"Bearer {partner}-bearer"})

    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert (keyless.status_code, keyless.json()["error"]["code"]) == (400, "idempotency_key_missing")


@each_keyed_partner
async def test_a_key_whose_request_still_runs_is_a_conflict(sandbox: Sandbox, partner: str) -> None:
    await sandbox.fault(partner, slow_ms=400)

    answers = await asyncio.gather(*(act(sandbox, partner, key="step-1") for _ in range(3)))

    assert sorted(answer.is_success for answer in answers) == [False, False, True]
    assert {answer.status_code for answer in answers if not answer.is_success} == {409}


@each_keyed_partner
async def test_a_refusal_is_judged_anew_under_its_key(sandbox: Sandbox, partner: str) -> None:
    refused = await act(sandbox, partner, key="step-1", surplus=1)

    after = await act(sandbox, partner, key="step-1")

    assert (refused.status_code, after.is_success) == (422, True)


@each_partner
async def test_a_wrong_bearer_gets_nothing(sandbox: Sandbox, partner: str) -> None:
    path, content, _ = CALLS[partner]

    answer = await sandbox.http.post(path, json=content, headers={"authorization": "Bearer guessed"})

    assert answer.status_code == 401
    assert await effects(sandbox, partner) == 0
