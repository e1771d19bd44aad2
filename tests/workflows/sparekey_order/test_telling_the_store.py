"""What the store hears of a key's way, and when by whose clock (SK-28, SK-38, OP-10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from tests.support.waiting import until
from tests.workflows.sparekey_order.branches import moved
from tests.workflows.sparekey_order.fakes import Services, running
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps

THEN = datetime(2026, 5, 11, 9, 30, tzinfo=UTC)


def marks(services: Services) -> dict[str, datetime | None]:
    return {given.state: given.happened_at for given in services.of(money.MARK)}


@pytest.mark.rule("SK-28")
@pytest.mark.parametrize(("check_round", "promises"), [(1, 0), (2, 1), (3, 1)])
async def test_an_order_whose_number_had_to_be_confirmed_is_promised_from_its_confirmation(
    skipping: Client, check_round: int, promises: int
) -> None:
    services = Services()
    services.dispatch_days = 5
    services.answers[steps.CHECK.name] = lambda _: services.to("accepted", check_round=check_round)

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: services.case.state == "making")
        await moved(order, services, "handed-over")
        await order.result()

    assert [given.dispatch_business_days for given in services.of(money.CONFIRM)] == [5]
    assert [given.business_days for given in services.of(money.PROMISE)] == [5] * promises


async def test_keys_are_arranged_when_the_maker_has_taken_the_order_and_not_while_it_is_away(skipping: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("accepted")
    services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("making", arranged_at=None)

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: services.case.state == "making")
        await order.case_changed()
        before = marks(services)
        await moved(order, services, "making", arranged_at=THEN)
        await until(lambda: "arranged" in marks(services))
        await moved(order, services, "handed-over")
        await order.result()

    assert before == {}
    assert marks(services)["arranged"] == THEN


async def test_a_stopped_order_is_never_told_as_arranged(skipping: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("accepted")
    services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("stopped", needs_operator="lease-ended")
    services.answers[steps.ACT.name] = lambda _: services.to("cancelling", reason="lease-ended")

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: services.case.state == "stopped")
        await order.act("reject_dispatch")
        await order.result()

    assert "arranged" not in marks(services)


@pytest.mark.rule("PT-05")
async def test_a_key_is_delivered_when_the_carrier_handed_it_over_not_when_we_heard_of_it(skipping: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("dispatched", dispatched_at=THEN)

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: "dispatched" in marks(services))
        await moved(order, services, "handed-over", handed_over_at=THEN + timedelta(days=2))
        await order.result()

    assert marks(services) == {"dispatched": THEN, "delivered": THEN + timedelta(days=2)}


@pytest.mark.rule("SK-38")
async def test_a_capture_that_was_refused_is_asked_anew_with_the_next_means(skipping: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("ready")
    services.answers[money.CAPTURE.name] = money.Payment(state="declined", decline_code="capture-refused")

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: bool(services.of(money.CAPTURE)))
        services.answers[money.CAPTURE.name] = None
        await order.payment_changed()
        await until(lambda: services.case.state == "released")
        await moved(order, services, "handed-over")
        await order.result()

    captures = [given.request_id for given in services.of(money.CAPTURE)]
    assert len(captures) == len(set(captures)) == 2
