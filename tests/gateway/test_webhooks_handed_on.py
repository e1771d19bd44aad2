"""Partners' messages reach the service that owns the case, byte for byte (SK-51)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from services.chassis.errors import Kind, RemoteError
from tests.gateway.fakes import Fake
from tests.gateway.house import House

Neighbours = Mapping[str, Fake]


@pytest.mark.parametrize(
    ("partner", "owner"),
    [
        ("card", "store"),
        ("deferred", "store"),
        ("epos", "store"),
        ("maker", "sparekey"),
        ("post", "sparekey"),
        ("carrier", "sparekey"),
    ],
)
async def test_a_message_comes_as_it_was_signed(house: House, neighbours: Neighbours, partner: str, owner: str) -> None:
    body = b'{"a": 1,\n "b":  "\xff\x00" }'
    headers = {"Webhook-Id": "m1", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,x", "Stripe-Signature": "t=1"}

    answer = await house.http.post(f"/webhooks/{partner}", content=body, headers=headers | {"X-Other": "no"})

    assert (answer.status_code, answer.content) == (204, b"")
    [(method, request, caller)] = neighbours[owner].asked
    assert (method, caller.principal) == ("ReceiveWebhook", "service:gateway")
    assert (request.webhook.partner, request.webhook.body) == (partner, body)
    assert dict(request.webhook.headers) == {name.lower(): value for name, value in headers.items()}


async def test_a_forged_message_is_refused_by_its_owner(house: House, neighbours: Neighbours) -> None:
    neighbours["store"].answers["ReceiveWebhook"] = RemoteError(Kind.UNAUTHENTICATED, "webhook-forged")

    answer = await house.http.post("/webhooks/card", content=b"{}")

    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-forged")


async def test_nobody_else_has_anything_to_tell(house: House) -> None:
    assert (await house.http.post("/webhooks/stranger", content=b"{}")).status_code == 404


async def test_a_message_is_bounded(house: House, neighbours: Neighbours) -> None:
    largest = await house.http.post("/webhooks/card", content=b"x" * 262_144)
    larger = await house.http.post("/webhooks/card", content=b"x" * 262_145)

    assert (largest.status_code, larger.status_code) == (204, 413)


async def test_a_partner_is_asked_to_send_again_while_the_owner_is_away(house: House, neighbours: Neighbours) -> None:
    neighbours["store"].answers["ReceiveWebhook"] = RemoteError(Kind.UNAVAILABLE, "service-unavailable")

    answer = await house.http.post("/webhooks/card", content=b"{}")

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
