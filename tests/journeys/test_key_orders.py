"""Spare keys, ordered and followed to the end through the API, on the whole system."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from deploy.demo.console import until
from deploy.demo.resident import Means, ProblemError
from deploy.demo.story import Story
from tests.journeys.town import Town

pytestmark = pytest.mark.timeout(240)

DECLINED = "4000000000009995"


@pytest.mark.rule("OP-21")
@pytest.mark.rule("SK-39")
async def test_the_story_of_the_demo_ends_with_the_key_in_hand_and_books_that_balance(town: Town) -> None:
    home = await town.household(points=500)
    story = Story(home.resident, town.console, town.seed, town.machine)

    order_id = await story.order(home.room_id)
    await story.correct_the_number(order_id)
    await story.nobody_home(order_id)
    await story.again_for_935_yen(order_id)
    await story.points_arrive(order_id)

    order = await home.resident.key_order(order_id)
    goods = sum(int(it["amount"]) - int(it["coupon_share"]) - int(it["points_share"]) for it in order["order"]["lines"])
    assert order["state"] == "handed-over"
    # A point for 100 yen of goods: the 935 yen of the redelivery would have made nine more.
    assert int((await home.resident.get("points"))["normal"]) == goods // 100
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-13")
async def test_a_week_without_a_right_number_gives_money_points_and_coupon_back(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.ordered(
        home, await town.card(), "A0000B12", points_choice="some", points_some=300, coupon_code="SPARE300"
    )
    await home.resident.sees(order_id, "number-asked")

    await town.forward(days=8)
    order = await home.resident.sees(order_id, "cancelled")

    assert order["order"]["state"] == "cancelled"
    assert (await home.resident.get("points"))["available"] == 500
    again = await town.drafted(home, await town.card(), coupon_code="SPARE300")
    assert (await home.resident.get(f"checkouts/{again}"))["totals"]["coupon"] == 300
    assert await town.books_agree() == ()


@pytest.mark.rule("ST-23")
async def test_a_declined_card_leaves_everything_as_it_was_and_another_card_works(town: Town) -> None:
    home = await town.household(points=500)
    order_id = await town.drafted(home, await town.card(DECLINED), points_choice="some", points_some=100)

    declined = await home.resident.place(order_id)
    points = (await home.resident.get("points"))["available"]
    await home.resident.choose(order_id, await town.card())
    placed = await home.resident.place(order_id)

    assert (declined["outcome"], points) == ("declined", 500)
    assert placed["outcome"] == "placed"
    await home.resident.sees(order_id, "dispatched")
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-27")
async def test_the_confirmation_by_mail_says_of_the_order_what_its_page_says(town: Town) -> None:
    home = await town.household(points=500)

    order_id = await town.ordered(home, await town.card(), points_choice="some", points_some=300)

    order = await home.resident.get(f"orders/{order_id}")

    async def confirmed() -> str | None:
        mails = await town.console.messages(home.mail)
        return next((mail["text"] for mail in mails if order["order_number"] in mail["text"]), None)

    mail = await until(confirmed, "the confirmation")
    assert order["lines"][0]["name"]["ja"] in mail
    for name in ("goods", "due"):
        assert f"{order['totals'][name]:,}円" in mail
    assert "-300円" in mail
    assert order["address"]["street"] not in mail


@pytest.mark.rule("SK-38")
async def test_a_key_paid_later_is_invoiced_when_it_was_handed_over(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, Means("deferred"), invoice_to="delivery")
    await home.resident.sees(order_id, "dispatched")
    before = (await home.resident.get(f"orders/{order_id}"))["invoice"]

    await town.console.parcel(await town.console.tracking_number(order_id, 1), "handed_over")
    await home.resident.sees(order_id, "handed-over")

    async def invoiced() -> str | None:
        invoice = (await home.resident.get(f"orders/{order_id}"))["invoice"]
        return invoice["state"] if invoice and invoice["state"] == "issued" else None

    assert before is None
    assert await until(invoiced, "the invoice") == "issued"
    assert await town.books_agree() == ()


@pytest.mark.rule("SK-30")
async def test_an_order_is_not_cancelled_for_the_customers_reasons(town: Town) -> None:
    home = await town.household()
    order_id = await town.ordered(home, await town.card())

    with pytest.raises(ProblemError) as refused:
        await home.resident.post(f"spare-keys/orders/{order_id}/cancel")

    assert refused.value.problem["status"] == 409
    assert refused.value.problem["title"]


@pytest.mark.rule("SK-05")
async def test_a_member_removed_before_dispatch_stops_it_and_two_operators_decide(town: Town) -> None:
    home = await town.household()
    await town.console.automation("maker.ready", on=False)
    try:
        order_id = await town.being_cut(home, await town.card())
        member_id = home.resident.member_id
        await home.resident.post(f"rooms/{home.room_id}/removals", member_ids=[member_id])
        await town.console.ready(order_id)
        await home.resident.sees(order_id, "stopped")
    finally:
        await town.console.automation("maker.ready", on=True)

    await town.act(order_id, "reject_dispatch")
    with pytest.raises(WorkflowUpdateFailedError) as alone:
        await town.act(order_id, "reject_dispatch")
    await town.act(order_id, "reject_dispatch", operator="op_suzuki")
    order = await home.resident.sees(order_id, "cancelled")

    assert isinstance(alone.value.cause, ApplicationError)
    assert alone.value.cause.type == "second-operator-needed"
    assert order["order"]["state"] == "cancelled"
    assert await town.books_agree() == ()
