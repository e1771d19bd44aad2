"""Partners' messages: forged, too old, doubled and in reverse, by every partner, on the whole system (QA-06)."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.console import until
from deploy.demo.resident import Means
from tests.journeys.partners import Partner
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)


async def by_card_and_again(town: Town, home: Household) -> str:
    """Paid by card, returned, on its way again: card processor, maker, post and carrier have spoken."""
    order_id = await town.ordered(home, await town.card())
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "returned")
    await home.resident.sees(order_id, "returned")
    await home.resident.post(f"spare-keys/orders/{order_id}/redelivery", charge_accepted=True)
    await town.console.tracking_number(order_id, 2)
    return order_id


async def by_invoice(town: Town, home: Household) -> str:
    order_id = await town.ordered(home, Means("deferred"))
    await town.console.parcel(await town.console.tracking_number(order_id, 1), "handed_over")
    await home.resident.sees(order_id, "handed-over")

    async def invoiced() -> bool | None:
        return True if await town.console.webhooks("deferred", order_id) else None

    await until(invoiced, "the invoice")
    await town.console.pay_invoice(order_id)
    return order_id


async def by_epos(town: Town, home: Household) -> str:
    order_id = await town.drafted(home, Means("epos"))
    sent_away = await home.resident.place(order_id)
    await town.console.signs_in(sent_away["redirect_url"], "approved")
    await home.resident.sees(order_id, "dispatched")
    return order_id


WAYS: dict[Partner, Any] = {
    "card": by_card_and_again,
    "maker": by_card_and_again,
    "post": by_card_and_again,
    "carrier": by_card_and_again,
    "deferred": by_invoice,
    "epos": by_epos,
}


async def messages(town: Town, partner: Partner, order_id: str) -> list[dict[str, Any]]:
    """What a partner truly sent of an order; carriers know it by their parcels, the card processor by its intents."""
    about = [order_id, *(parcel["tracking_number"] for parcel in await town.console.parcels(order_id))]
    about += [intent["id"] for intent in await town.console.payment_intents(order_id)]
    sent = await town.console.webhooks(partner)
    return [one for one in sent if one["manner"] == "true" and any(of in str(one["body"]) for of in about)]


async def seen(home: Household, order_id: str) -> dict[str, Any]:
    """What the member sees, without what others may still be doing to it."""
    order = await home.resident.key_order(order_id)
    return {name: order[name] for name in ("state", "version", "timeline", "tracking_number", "actions")}


@pytest.mark.rule("QA-06")
async def test_forged_and_stale_messages_of_every_partner_are_refused_and_repeats_change_nothing(town: Town) -> None:
    homes = {way: await town.household() for way in WAYS.values()}
    orders = {way: await way(town, home) for way, home in homes.items()}
    for partner in WAYS:
        await town.console.all_sent(partner)
    await homes[by_card_and_again].resident.sees(orders[by_card_and_again], "redelivering")
    before = {order_id: await seen(homes[way], order_id) for way, order_id in orders.items()}

    for partner, way in WAYS.items():
        sent = await messages(town, partner, orders[way])
        assert sent, partner
        for webhook in sent:
            for manner in ("forge", "stale"):
                await town.console.sends(webhook, manner)
        await town.console.sends(sent[0], "replay", times=20)
        await town.console.all_sent(partner)

    false = [one for partner in WAYS for one in await town.console.webhooks(partner) if one["manner"] != "true"]
    assert {one["manner"] for one in false} == {"forged", "stale"}
    assert {(one["state"], one["outcome"]) for one in false} == {("refused", "401")}
    assert {order_id: await seen(homes[way], order_id) for way, order_id in orders.items()} == before
    assert await town.books_agree() == ()


@pytest.mark.rule("QA-06")
async def test_whoever_invents_a_delivery_moves_nothing(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card())
    await home.resident.sees(order_id, "dispatched")
    number = await town.console.tracking_number(order_id, 1)
    told = {
        "tracking_number": number,
        "event_id": "evt_1",
        "kind": "handed_over",
        "occurred_at": "2026-12-01T00:00:00Z",
    }

    await town.console.invents("post", "tracking", told)
    await town.console.all_sent("post")

    (forged,) = [one for one in await town.console.webhooks("post", number) if one["manner"] == "forged"]
    assert (forged["state"], forged["outcome"]) == ("refused", "401")
    assert (await home.resident.key_order(order_id))["state"] == "dispatched"


@pytest.mark.rule("QA-06")
async def test_a_whole_journey_told_backwards_and_twice_ends_where_it_ends_forwards(town: Town) -> None:
    home = await town.household()
    await town.console.holds_webhooks("card")
    order_id = await town.ordered(home, await town.card(), "A0000B12")
    await home.resident.sees(order_id, "number-asked")
    await home.resident.post(f"spare-keys/orders/{order_id}/key-number", key_number="AB12CD34")
    await home.resident.sees(order_id, "released", "dispatched")
    await town.console.holds_webhooks("maker", "post")
    parcel = await town.console.tracking_number(order_id, 1)
    for kind in ("out_for_delivery", "absent", "held", "returned"):
        await town.console.parcel(parcel, kind)

    for partner in ("maker", "post", "card"):
        await town.console.lets_go(partner, "reversed")
        await town.console.all_sent(partner)
    returned = await home.resident.sees(order_id, "returned")

    codes = {line["code"] for line in returned["timeline"]}
    assert {"key-dispatched", "key-parcel-absent", "key-parcel-returned", "key-returned"} <= codes
    assert await town.mailed(home, "key-dispatched-by-post")
    assert await town.mailed(home, "key-returned")
    assert await town.books_agree() == ()
