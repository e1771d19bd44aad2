from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.harness import Sandbox


async def opened(sandbox: Sandbox) -> Any:
    new = {"merchant_ref": "ord_1", "amount": 3300, "return_url": "https://ruum.example/back?o=1"}
    return await sandbox.done("POST", "/epos/payments", new)


async def approved(sandbox: Sandbox) -> str:
    payment = await opened(sandbox)
    await sandbox.press(f"payments/{payment['id']}/decide", result="approved")
    return str(payment["id"])


@pytest.mark.parametrize("decision", ["approved", "declined"])
async def test_the_person_signs_in_decides_and_comes_back(sandbox: Sandbox, decision: str) -> None:
    payment = await opened(sandbox)
    form = {"user": "anybody", "password": "anything", "decision": decision}

    shown = await sandbox.http.get(payment["redirect_url"])
    sent_back = await sandbox.http.post(payment["redirect_url"], data=form)

    told = await sandbox.receiver.one("payment_decided")
    assert (shown.status_code, sent_back.status_code) == (200, 303)
    assert sent_back.headers["location"] == f"https://ruum.example/back?o=1&payment={payment['id']}"
    assert told.data == {"payment_id": payment["id"], "merchant_ref": "ord_1", "result": decision}


async def test_nobody_pays_without_signing_in(sandbox: Sandbox) -> None:
    payment = await opened(sandbox)

    answer = await sandbox.http.post(payment["redirect_url"], data={"decision": "approved"})

    assert answer.status_code == 422
    assert (await sandbox.done("GET", f"/epos/payments/{payment['id']}"))["state"] == "open"


async def test_a_page_just_closed_decides_nothing_and_expires_after_half_an_hour(sandbox: Sandbox) -> None:
    payment = await opened(sandbox)

    closed = await sandbox.http.post(payment["redirect_url"], data={"decision": "close"})
    before = await sandbox.done("GET", f"/epos/payments/{payment['id']}")
    await sandbox.pass_time(timedelta(minutes=30))

    told = await sandbox.receiver.one("payment_decided")
    late = await sandbox.http.get(payment["redirect_url"])
    assert (closed.status_code, before["state"]) == (200, "open")
    assert told.data["result"] == "expired"
    assert late.status_code == 410


async def test_an_approved_payment_is_captured_once_and_refunded_up_to_that(sandbox: Sandbox) -> None:
    path = f"/epos/payments/{await approved(sandbox)}"

    captured = await sandbox.done("POST", f"{path}/capture", {"amount": 3000})
    again = await sandbox.call("POST", f"{path}/capture", {})
    refunded = await sandbox.done("POST", f"{path}/refund", {"amount": 2999})
    too_much = await sandbox.call("POST", f"{path}/refund", {"amount": 2})

    assert (captured["state"], captured["captured"]) == ("captured", 3000)
    assert again.json()["error"]["code"] == "wrong_state"
    assert refunded["refunded"] == 2999
    assert too_much.json()["error"]["code"] == "amount_too_large"


async def test_a_voided_payment_is_neither_approved_nor_captured(sandbox: Sandbox) -> None:
    payment = await opened(sandbox)
    path = f"/epos/payments/{payment['id']}"

    await sandbox.done("POST", f"{path}/void", {})
    twice = await sandbox.done("POST", f"{path}/void", {})
    capture = await sandbox.call("POST", f"{path}/capture", {})

    assert twice["state"] == "voided"
    assert capture.status_code == 409
    assert (await sandbox.http.get(payment["redirect_url"])).status_code == 410


async def test_payments_are_found_by_the_merchants_reference(sandbox: Sandbox) -> None:
    payment = await opened(sandbox)

    found = await sandbox.done("GET", "/epos/payments?merchant_ref=ord_1")

    assert [it["id"] for it in found["payments"]] == [payment["id"]]
