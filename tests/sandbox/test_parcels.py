from __future__ import annotations

import pytest

from tests.sandbox.harness import YAMADA, Sandbox

KINDS = ["out_for_delivery", "absent", "held", "handed_over", "returned", "redirected", "refused", "lost"]


async def posted(sandbox: Sandbox) -> str:
    """A key handed to the post; its tracking number."""
    for name in ("maker.ready", "maker.dispatch"):
        await sandbox.automatic(name, on=True)
    new = {"order_ref": "ord_1", "key_number": "AB12CD34", "kind": "normal", "quantity": 1, **YAMADA}
    await sandbox.done("POST", "/maker/orders", new)
    await sandbox.done("POST", "/maker/orders/ord_1/release", YAMADA)
    return str((await sandbox.receiver.one("dispatched")).data["tracking_number"])


async def test_the_post_reports_that_it_accepted_and_then_nothing_by_itself(sandbox: Sandbox) -> None:
    number = await posted(sandbox)

    accepted = await sandbox.receiver.one("tracking")

    parcel = (await sandbox.http.get(f"/post/parcels/{number}")).json()
    assert (accepted.partner, accepted.data["kind"]) == ("post", "accepted")
    assert [it["event_id"] for it in parcel["events"]] == [accepted.data["event_id"]]
    assert "recipient" not in parcel


@pytest.mark.parametrize("kind", KINDS)
async def test_each_scan_is_told_with_an_id_of_its_own(sandbox: Sandbox, kind: str) -> None:
    number = await posted(sandbox)

    for _ in range(2):
        await sandbox.press(f"parcels/{number}/events", kind=kind, occurred_at="2026-05-03T01:02:03Z")

    told = [it.data for it in await sandbox.receiver.all("tracking", 2, kind=kind)]
    assert {it["occurred_at"] for it in told} == {"2026-05-03T01:02:03.000000Z"}
    assert len({it["event_id"] for it in told}) == 2
    assert (await sandbox.http.get(f"/post/parcels/{number}")).json()["state"] == kind


async def test_the_post_collects_no_money(sandbox: Sandbox) -> None:
    number = await posted(sandbox)

    answer = await sandbox.http.post(f"/console/api/parcels/{number}/events", json={"kind": "collected"})

    assert answer.json()["error"]["code"] == "nothing_to_collect"


async def test_the_post_hands_over_by_itself_when_it_is_switched_on(sandbox: Sandbox) -> None:
    await sandbox.automatic("post.hand_over", on=True)

    await posted(sandbox)

    assert (await sandbox.receiver.one("tracking", kind="handed_over")).partner == "post"


async def test_the_carrier_collects_before_it_hands_over(sandbox: Sandbox) -> None:
    await sandbox.automatic("carrier.hand_over", on=True)
    number = await posted(sandbox)
    await sandbox.press(f"parcels/{number}/events", kind="returned")

    await sandbox.done("POST", "/maker/orders/ord_1/redelivery", {**YAMADA, "charge_yen": 935})

    await sandbox.receiver.one("tracking", kind="handed_over")
    again = (await sandbox.receiver.one("dispatched", carrier="parcel")).data["tracking_number"]
    parcel = (await sandbox.http.get(f"/carrier/parcels/{again}")).json()
    assert [it["kind"] for it in parcel["events"]] == ["accepted", "collected", "handed_over"]
