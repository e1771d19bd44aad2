from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.sandbox.harness import Sandbox


def order(**more: Any) -> dict[str, Any]:
    return {
        "merchant_ref": "ord_1",
        "amount": 3300,
        "buyer": {"name": "佐藤 花子", "email": "hanako@example.com"},
        "delivery": {"city": "札幌市"},
        "invoice_to": "delivery",
        **more,
    }


async def opened(sandbox: Sandbox, **more: Any) -> Any:
    return await sandbox.done("POST", "/deferred/transactions", order(**more))


async def invoiced(sandbox: Sandbox) -> Any:
    transaction = await opened(sandbox)
    return await sandbox.done("POST", f"/deferred/transactions/{transaction['id']}/shipment", {"on": "2026-05-03"})


@pytest.mark.parametrize(
    ("more", "result", "reason"),
    [
        ({}, "ok", None),
        ({"amount": 55_000}, "ok", None),
        ({"amount": 55_001}, "refused", "limit"),
        ({"buyer": {"name": "A", "email": "hold@example.com"}}, "hold", "review"),
        ({"buyer": {"name": "A", "email": "refuse@example.com"}}, "refused", "credit"),
    ],
)
async def test_the_provider_judges_the_buyer(
    sandbox: Sandbox, more: dict[str, Any], result: str, reason: str | None
) -> None:
    transaction = await opened(sandbox, **more)

    assert (transaction["result"], transaction["reason"]) == (result, reason)


async def test_the_console_decides_the_next_results(sandbox: Sandbox) -> None:
    await sandbox.press("next", "PUT", deferred={"result": "hold", "times": 2})

    results = [(await opened(sandbox))["result"] for _ in range(3)]

    assert results == ["hold", "hold", "ok"]


@pytest.mark.parametrize(("result", "state"), [("ok", "accepted"), ("refused", "refused")])
async def test_a_hold_never_ships_until_its_review_ends_well(sandbox: Sandbox, result: str, state: str) -> None:
    held = await opened(sandbox, buyer={"name": "A", "email": "hold@example.com"})
    early = await sandbox.call("POST", f"/deferred/transactions/{held['id']}/shipment", {})

    await sandbox.press(f"transactions/{held['id']}/review", result=result)

    told = await sandbox.receiver.one("review_finished")
    after = await sandbox.done("GET", f"/deferred/transactions/{held['id']}")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "wrong_state")
    assert told.data == {"transaction_id": held["id"], "merchant_ref": "ord_1", "result": result}
    assert (after["result"], after["state"]) == (result, state)


async def test_the_invoice_is_issued_with_the_goods_and_due_in_two_weeks(sandbox: Sandbox) -> None:
    transaction = await invoiced(sandbox)

    invoice = transaction["invoice"]
    told = await sandbox.receiver.one("invoice_issued")
    assert transaction["state"] == "invoiced"
    assert date.fromisoformat(invoice["due_on"]) - date.fromisoformat(invoice["issued_on"]) == timedelta(14)
    assert told.data == {
        "transaction_id": transaction["id"],
        "merchant_ref": "ord_1",
        "invoice_number": invoice["number"],
        "issued_on": "2026-05-03",
        "due_on": "2026-05-17",
        "amount": 3300,
    }


async def test_the_collection_charge_is_added_three_times_at_most(sandbox: Sandbox) -> None:
    key = (await invoiced(sandbox))["id"]

    for _ in range(3):
        await sandbox.press(f"transactions/{key}/overdue")
    fourth = await sandbox.http.post(f"/console/api/transactions/{key}/overdue")

    told = [it.data for it in await sandbox.receiver.all("overdue", 3)]
    assert sorted((it["times"], it["charges"], it["owed"]) for it in told) == [
        (1, 297, 3597),
        (2, 594, 3894),
        (3, 891, 4191),
    ]
    assert fourth.status_code == 409


async def test_what_is_owed_with_its_charge_is_paid_in_parts(sandbox: Sandbox) -> None:
    key = (await invoiced(sandbox))["id"]
    await sandbox.press(f"transactions/{key}/overdue")

    part = await sandbox.press(f"transactions/{key}/paid", amount=3300)
    rest = await sandbox.press(f"transactions/{key}/paid")
    again = await sandbox.press(f"transactions/{key}/paid")

    told = [it.data["paid_yen"] for it in await sandbox.receiver.all("paid", 3)]
    assert (part["state"], rest["state"]) == ("overdue", "paid")
    assert sorted(told) == [297, 3300, 3597]
    assert again["invoice"]["paid"] == 2 * 3597


async def test_an_invoice_is_reduced_and_not_raised(sandbox: Sandbox) -> None:
    path = f"/deferred/transactions/{(await invoiced(sandbox))['id']}"

    reduced = await sandbox.done("PATCH", path, {"amount": 1000})
    raised = await sandbox.call("PATCH", path, {"amount": 1001})

    assert reduced["invoice"]["owed"] == 1000
    assert (raised.status_code, raised.json()["error"]["code"]) == (409, "amount_raised")


async def test_a_cancelled_one_is_not_shipped_and_a_paid_one_not_cancelled(sandbox: Sandbox) -> None:
    cancelled, paid = (await opened(sandbox))["id"], (await invoiced(sandbox))["id"]
    await sandbox.press(f"transactions/{paid}/paid")

    await sandbox.done("POST", f"/deferred/transactions/{cancelled}/cancel", {})
    twice = await sandbox.done("POST", f"/deferred/transactions/{cancelled}/cancel", {})
    shipped = await sandbox.call("POST", f"/deferred/transactions/{cancelled}/shipment", {})
    late = await sandbox.call("POST", f"/deferred/transactions/{paid}/cancel", {})

    assert twice["state"] == "cancelled"
    assert shipped.json()["error"]["code"] == "wrong_state"
    assert late.json()["error"]["code"] == "already_paid"


async def test_transactions_are_found_by_the_merchants_reference(sandbox: Sandbox) -> None:
    first, other, second = [await opened(sandbox, merchant_ref=ref) for ref in ("ord_1", "ord_2", "ord_1")]

    found = await sandbox.done("GET", "/deferred/transactions?merchant_ref=ord_1")

    assert [it["id"] for it in found["transactions"]] == [first["id"], second["id"]]
    assert other["merchant_ref"] == "ord_2"
