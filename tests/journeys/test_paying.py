"""Everything that can go wrong with the money of a key, on the whole system."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.demo.console import until
from deploy.demo.resident import Means, ProblemError
from tests.journeys.partners import Provider
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

EPOS, DEFERRED = Means("epos"), Means("deferred")


async def opened_again(home: Household, order_id: str) -> dict[str, Any]:
    """The draft, once it is one again."""

    async def opened() -> dict[str, Any] | None:
        try:
            return await home.resident.get(f"spare-keys/drafts/{order_id}")
        except ProblemError:
            return None

    return await until(opened, "the draft to be open again")


async def ready_after(town: Town, order_id: str, **by: float) -> None:
    """The keys are cut only after so long."""
    await town.forward(**by)
    await town.console.ready(order_id)


@pytest.mark.rule("ST-21")
async def test_a_payer_who_never_returns_finds_the_draft_again_and_pays_otherwise(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, EPOS, points_choice="some", points_some=100, coupon_code="SPARE300")

    sent_away = await home.resident.place(order_id)
    waiting = await home.resident.key_order(order_id)
    await town.forward(minutes=31)
    await opened_again(home, order_id)
    points = (await home.resident.get("points"))["available"]
    at_epos = await town.console.at_epos(order_id)
    await home.resident.choose(order_id, await town.card())
    placed = await home.resident.place(order_id)

    assert sent_away["outcome"] == "requires-action"
    seen = (waiting["state"], waiting["next"], waiting["until"], waiting["actions"])
    assert seen == ("placing", "key-next-your-payment", sent_away["action_until"], ["pay-at-partner"])
    assert (points, [payment["state"] for payment in at_epos]) == (500, ["expired"])
    assert placed["outcome"] == "placed"
    assert await town.mailed(home, "key-ordered")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-23")
async def test_a_payer_who_agrees_at_epos_comes_back_to_the_order_and_it_is_placed(town: Town) -> None:
    home = await town.household()
    order_id = await town.drafted(home, EPOS)
    sent_away = await home.resident.place(order_id)

    back_to = await town.console.signs_in(sent_away["redirect_url"], "approved")
    payment = await home.resident.post(f"orders/{order_id}/payer-returned")
    await home.resident.sees(order_id, "dispatched")

    (at_epos,) = await town.console.at_epos(order_id)
    assert back_to.path == f"/orders/{order_id}/payer-returned"
    assert payment["state"] in {"authorised", "captured"}
    assert (at_epos["state"], at_epos["captured"]) == ("captured", 2750)
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-21")
async def test_whoever_agrees_in_time_and_comes_back_a_moment_late_pays_nothing(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, EPOS, points_choice="all")
    sent_away = await home.resident.place(order_id)
    await town.console.holds_webhooks("epos")
    try:
        await town.console.signs_in(sent_away["redirect_url"], "approved")
        await town.forward_to(sent_away["action_until"], 1)
        await opened_again(home, order_id)
        late = await home.resident.post(f"orders/{order_id}/payer-returned")
    finally:
        await town.console.lets_go("epos")
    await town.console.all_sent("epos")

    (at_epos,) = await town.console.at_epos(order_id)
    assert (late["state"], late["decline_code"]) == ("declined", "payer-too-late")
    assert (at_epos["state"], at_epos["captured"]) == ("voided", 0)
    assert (await home.resident.get("points"))["available"] == 500
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-38")
async def test_an_authorisation_that_lapsed_before_dispatch_is_renewed_without_the_customer(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await ready_after(town, order_id, days=8)

    await home.resident.sees(order_id, "dispatched")

    at_processor = [intent["status"] for intent in await town.console.payment_intents(order_id)]
    assert at_processor == ["succeeded", "canceled"]
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-26")
async def test_where_a_lapsed_authorisation_is_not_renewed_another_means_is_asked_for(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await town.console.next_card_is_declined("expired_card")
        await ready_after(town, order_id, days=8)

    asked_by_mail = await town.mailed(home, "means-wanted")
    stands = await home.resident.key_order(order_id)
    at_maker = await town.console.order(order_id)
    other = await home.resident.post(f"orders/{order_id}/means", means="deferred")
    await home.resident.sees(order_id, "dispatched")

    assert asked_by_mail
    assert (stands["state"], stands["next"]) == ("cleared", "key-next-your-means")
    assert "change-means" in stands["actions"]
    assert at_maker is not None
    assert not at_maker["released"]
    assert other["state"] == "authorised"
    assert [intent["status"] for intent in await town.console.payment_intents(order_id)].count("succeeded") == 0
    assert await town.books_agree() == ()


@pytest.mark.parametrize("means", ["card", "deferred", "epos"])
@pytest.mark.rule("ST-21")
async def test_a_provider_that_times_out_after_taking_the_order_took_it_once(town: Town, means: Provider) -> None:
    home = await town.household()
    chosen = await town.card() if means == "card" else Means(means)
    order_id = await town.drafted(home, chosen)
    await town.console.suffers(means, withhold_s=7, lag_s=5, times=2)

    placed = await home.resident.place(order_id)
    if means == "epos":
        (payment,) = await town.console.at_epos(order_id)
        await town.console.signs_in(payment["redirect_url"], "approved")
    await home.resident.sees(order_id, "dispatched")

    taken = await town.console.held(order_id)
    assert placed["outcome"] in {"placed", "pending", "requires-action"}
    assert len(taken) == 1
    assert (await town.console.order(order_id) or {})["making"] == 1
    assert await town.mailed(home, "key-ordered")
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-21")
async def test_a_processor_that_times_out_after_charging_has_charged_once(town: Town) -> None:
    home = await town.household()
    async with town.console.by_hand("maker.ready"):
        order_id = await town.being_cut(home, await town.card())
        await town.console.suffers("card", withhold_s=7, lag_s=5, times=2)
        await town.console.ready(order_id)

    await home.resident.sees(order_id, "dispatched")

    (intent,) = await town.console.payment_intents(order_id)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 2750)
    assert await town.books_agree() == ()
