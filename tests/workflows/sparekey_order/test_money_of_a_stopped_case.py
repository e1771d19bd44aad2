"""No money is taken for a key that was stopped while its payment was looked at (SK-37, SK-38)."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from tests.support.waiting import until
from tests.workflows.sparekey_order.fakes import Services, refused, running
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps


@pytest.mark.rule("SK-38")
async def test_a_report_that_comes_while_the_authorisation_is_renewed_keeps_the_money_where_it_is(dev: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("cleared")
    services.answers[steps.RELEASE.name] = lambda _: services.case

    async with running(dev, services) as order:
        told: list[asyncio.Task[None]] = []

        def renewed(_given: money.OrderStep) -> money.Payment:
            services.to("stopped", needs_operator="mail-redirected")
            told.append(asyncio.ensure_future(order.case_changed()))
            return money.Payment(state="authorised")

        services.answers[money.ENSURE.name] = renewed
        await order.place()
        await until(lambda: bool(services.of(money.ENSURE)))
        await asyncio.gather(*told)
        await until(lambda: bool(services.of(money.CAPTURE)) or bool(services.of(steps.GET)))
        await order.handle.terminate()

    assert services.of(money.CAPTURE) == []
    assert services.of(steps.RELEASE) == []


@pytest.mark.rule("SK-38")
async def test_a_case_that_was_stopped_while_its_payment_was_stuck_is_not_paid_when_that_is_mended(dev: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("cleared")
    services.answers[steps.RELEASE.name] = lambda _: services.case
    services.answers[money.ENSURE.name] = refused("payment-missing")

    async with running(dev, services) as order:
        await order.place()
        await until(lambda: bool(services.of(money.ENSURE)))
        services.to("stopped", needs_operator="mail-redirected")
        await order.case_changed()
        del services.answers[money.ENSURE.name]
        await order.act("try_again")
        await until(lambda: len(services.of(money.ENSURE)) > 1 or bool(services.of(steps.GET)))
        await until(lambda: bool(services.of(money.CAPTURE)) or bool(services.of(steps.GET)))
        await order.handle.terminate()

    assert services.of(money.CAPTURE) == []
