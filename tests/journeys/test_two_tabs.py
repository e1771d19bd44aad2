"""Two who want the same at once, and what was used up, spent or lapsed between choosing and placing."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from deploy.demo.resident import Means, ProblemError
from services.chassis.jst import jst_date
from tests.journeys.town import Household, Town

pytestmark = pytest.mark.timeout(240)

COUPON = {
    "name": {"ja": "初回割引", "en": "First order", "zh_hans": "首单优惠"},
    "amount_off": "500",
    "first_day": {"iso": "2026-01-01"},
    "last_day": {"iso": "2030-12-31"},
    "uses_per_member": 1,
    "uses_total": 1,
}


async def confirmed(home: Household, order_id: str) -> dict[str, Any]:
    """The page that the member has read: what they will place."""
    page = await home.resident.post(f"spare-keys/drafts/{order_id}/review", language="ja")
    return {name: page[name] for name in ("snapshot_hash", "terms_version", "cancellation_version")} | {"agreed": True}


async def placed(home: Household, order_id: str, page: dict[str, Any]) -> str:
    """What became of it: the outcome, or the code of the refusal."""
    try:
        return str((await home.resident.post(f"spare-keys/drafts/{order_id}/place", **page))["outcome"])
    except ProblemError as refused:
        return str(refused.problem["code"])


async def coupon(town: Town) -> str:
    """A coupon that one order in the world can use."""
    code = f"ONCE{uuid4().hex[:8].upper()}"
    await town.seed.put_coupons([COUPON | {"code": code}])
    return code


@pytest.mark.rule("SK-22")
async def test_of_two_tabs_that_place_one_draft_at_once_one_places_it(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, await town.card(), points_choice="all")
    page = await confirmed(home, order_id)

    outcomes = await asyncio.gather(*(placed(home, order_id, page) for _ in range(2)))
    await home.resident.sees(order_id, "dispatched")

    assert sorted(outcomes) == ["key-order-being-placed", "placed"]
    assert len(await town.console.payment_intents(order_id)) == 1
    assert await town.mailed(home, "key-ordered")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-26")
async def test_what_one_tab_changed_the_other_does_not_place(town: Town) -> None:
    home = await town.household()
    order_id = await town.drafted(home, await town.card())
    page = await confirmed(home, order_id)

    await town.drafted(home, Means("deferred"), number="CD34EF56")
    outcome = await placed(home, order_id, page)

    assert outcome == "key-review-outdated"
    assert (await home.resident.get(f"checkouts/{order_id}"))["means"] == "deferred"
    assert await town.console.held(order_id) == []
    assert await placed(home, order_id, await confirmed(home, order_id)) == "placed"
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-12")
async def test_two_orders_want_the_last_use_of_a_coupon_and_one_gets_it(town: Town) -> None:
    code = await coupon(town)
    homes = [await town.household() for _ in range(2)]
    orders = [await town.drafted(home, await town.card(), coupon_code=code) for home in homes]
    pages = [await confirmed(home, order_id) for home, order_id in zip(homes, orders, strict=True)]

    outcomes = await asyncio.gather(*map(placed, homes, orders, pages))

    loser = outcomes.index(next(outcome for outcome in outcomes if outcome != "placed"))
    assert outcomes.count("placed") == 1
    assert outcomes[loser] in {"coupon-taken", "order-changed"}
    assert await town.console.held(orders[loser]) == []
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-12")
async def test_a_coupon_used_up_meanwhile_is_said_and_the_order_is_placed_without_it(town: Town) -> None:
    code = await coupon(town)
    first, second = await town.household(), await town.household()
    order_id = await town.drafted(second, await town.card(), coupon_code=code)
    page = await confirmed(second, order_id)

    await town.ordered(first, await town.card(), coupon_code=code)
    outcome = await placed(second, order_id, page)
    checkout = await second.resident.get(f"checkouts/{order_id}")
    again = await placed(second, order_id, await confirmed(second, order_id))

    (intent,) = await town.console.payment_intents(order_id)
    assert outcome == "order-changed"
    assert ("coupon-used-up" in checkout["notices"], checkout["totals"]["coupon"]) == (True, 0)
    assert (again, intent["amount"]) == ("placed", 2750)
    assert await town.books_agree() == ()


@pytest.mark.rule("PT-24")
async def test_points_that_lapsed_since_the_page_was_read_are_not_spent(town: Town) -> None:
    home = await town.household()
    today = jst_date(town.machine.clock.now())
    await town.seed.welcome_points(home.resident.member_id, 500, today.isoformat())
    order_id = await town.drafted(home, await town.card(), points_choice="some", points_some=400)
    page = await confirmed(home, order_id)

    await town.forward(days=1)
    outcome = await placed(home, order_id, page)
    checkout = await home.resident.get(f"checkouts/{order_id}")
    again = await placed(home, order_id, await confirmed(home, order_id))

    (intent,) = [one for one in await town.console.payment_intents(order_id) if one["status"] == "requires_capture"]
    assert outcome == "points-short"
    assert ("points-reduced" in checkout["notices"], checkout["totals"]["points"]) == (True, 0)
    assert (again, intent["amount"]) == ("placed", 2750)
    assert await town.books_agree() == ()


@pytest.mark.rule("PT-24")
async def test_points_spent_on_another_order_since_the_page_was_read_are_not_spent_twice(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, await town.card(), points_choice="all")
    page = await confirmed(home, order_id)

    async with town.points_held(home, 300):
        outcome = await placed(home, order_id, page)
        available = (await home.resident.get("points"))["available"]
        again = await placed(home, order_id, await confirmed(home, order_id))

    (intent,) = await town.console.payment_intents(order_id)
    assert (outcome, available) == ("points-short", 200)
    assert (again, intent["amount"]) == ("placed", 2550)
    assert await town.books_agree() == ()
