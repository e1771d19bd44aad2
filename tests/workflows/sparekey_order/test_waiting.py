"""Waiting: who is asked when a time is up, and what a word from outside does before, at and after it (OP-05, PR-06)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.support.waiting import until
from tests.workflows.sparekey_order.branches import moved
from tests.workflows.sparekey_order.fakes import Services, refused, running
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps

A_SECOND = timedelta(seconds=1)
SLACK = timedelta(milliseconds=900)


async def waiting(services: Services, time: WorkflowEnvironment, state: str, **due: timedelta) -> datetime:
    """The case will wait in a state from the maker's check on, with something due after a period."""
    now = await time.get_current_time()
    instants = {name: now + period for name, period in due.items()}
    services.answers[steps.CHECK.name] = lambda _: services.to(state, **instants)
    return max(instants.values())


@pytest.mark.rule("SK-13")
async def test_the_week_is_asked_about_when_it_is_over_and_not_a_second_before(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    deadline = await waiting(services, time, "number-asked", deadline=timedelta(days=7))
    services.answers[steps.EXPIRE.name] = lambda _: services.to("cancelling", reason="key-number-not-confirmed")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(deadline - await time.get_current_time() - A_SECOND)
        before = list(services.of(steps.EXPIRE))
        await time.sleep(2 * A_SECOND)
        ended = await order.result()

    assert before == []
    assert deadline <= services.instants(steps.EXPIRE)[0] < deadline + SLACK
    assert ended == "cancelled"
    assert services.names()[-4:] == [steps.STOP.name, money.CANCEL.name, money.RELEASE.name, steps.CLOSE.name]
    assert services.of(money.RELEASE)[0].reissue_lapsed is True


@pytest.mark.rule("SK-14")
async def test_a_reply_a_second_before_the_end_of_the_week_is_followed(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    deadline = await waiting(services, time, "number-asked", deadline=timedelta(days=7))

    def arbiter(_given: object) -> steps.Case:
        return services.case if services.case.state == "accepted" else services.to("cancelling")

    services.answers[steps.EXPIRE.name] = arbiter
    services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(deadline - await time.get_current_time() - A_SECOND)
        services.to("accepted")
        await order.case_changed()
        ended = await order.result_in(time)

    assert ended == "handed-over"


@pytest.mark.rule("SK-34")
async def test_the_month_of_a_returned_key_reminds_three_times_and_then_asks_once(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    start = await time.get_current_time()
    end = start + timedelta(days=30)
    left = [14, 7, 1]

    def kept(state: str = "returned") -> steps.Case:
        days = left[0] if left else 0
        reminder = {"remind_at": end - timedelta(days=days), "reminder": "storage-ends", "reminder_days": days}
        return services.to(state, deadline=end, **(reminder if left else {}))

    def remind(given: steps.Reminder) -> steps.Case:
        if left and given.days == left[0]:
            left.pop(0)
            return kept()
        return services.case

    services.answers[steps.CHECK.name] = lambda _: kept()
    services.answers[steps.REMIND.name] = remind
    services.answers[steps.EXPIRE.name] = lambda _: services.to("destroyed", reason="storage-ended")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(end - await time.get_current_time() + A_SECOND)
        ended = await order.result()

    assert ended == "destroyed"
    asked = {given.days: given.as_of for given in services.of(steps.REMIND)}
    assert {days: round((end - at) / timedelta(days=1)) for days, at in asked.items()} == {14: 14, 7: 7, 1: 1}
    assert services.instants(steps.EXPIRE)[0] >= end
    assert services.of(money.MARK)[-1].unclaimed is True


@pytest.mark.rule("SK-15")
async def test_a_maker_who_says_nothing_calls_an_operator_and_the_case_goes_on_by_an_action(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    await waiting(services, time, "checking", patience_until=timedelta(days=3))
    services.answers[steps.ACT.name] = lambda _: services.to("accepted")
    services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(timedelta(days=3, seconds=2))
        called = [given.reason for given in services.of(steps.CALL_OPERATOR)]
        answer = await order.act("accept_key_number", reference=f"ref_{1:026d}")
        ended = await order.result()

    assert called == ["no-word-while-checking"]
    assert answer == "accepted"
    assert ended == "handed-over"


@pytest.mark.rule("SK-38")
async def test_the_key_does_not_leave_before_the_money_is_captured(skipping: Client, time: WorkflowEnvironment) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("ready")
    declined = money.Payment(state="declined", decline_code="card-declined")
    services.answers[money.ENSURE.name] = declined

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: money.ENSURE.name in services.names())
        before = services.names()
        del services.answers[money.ENSURE.name]
        await order.payment_changed()
        await until(lambda: steps.RELEASE.name in services.names())

    assert steps.RELEASE.name not in before
    after = services.names()
    assert after.index(money.CAPTURE_POINTS.name) < after.index(money.CAPTURE.name) < after.index(steps.RELEASE.name)


@pytest.mark.rule("ST-26")
@pytest.mark.parametrize(("first", "other", "invoices"), [("card", "deferred", 1), ("deferred", "card", 0)])
async def test_another_means_than_the_first_decides_what_lets_the_key_go_and_whether_it_is_invoiced(
    skipping: Client, first: money.Means, other: money.Means, invoices: int
) -> None:
    services = Services(means=first)
    services.answers[steps.CHECK.name] = lambda _: services.to("ready")
    services.answers[money.ENSURE.name] = money.Payment(state="declined", means=first, decline_code="card-declined")

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: money.ENSURE.name in services.names())
        services.answers[money.ENSURE.name] = money.Payment(state="authorised", means=other)
        taken: money.PaymentState = "authorised" if other == "deferred" else "captured"
        services.answers[money.CAPTURE.name] = money.Payment(state=taken, means=other)
        await order.payment_changed()
        await until(lambda: services.case.state == "released")
        await moved(order, services, "handed-over")
        await order.result()

    assert len(services.of(money.INVOICE)) == invoices


@pytest.mark.rule("OP-04")
async def test_a_step_that_is_refused_stops_nothing_but_waits_for_an_operator(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("accepted")
    services.answers[steps.ORDER_KEYS.name] = refused("maker-refused-order")

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: steps.ORDER_KEYS.name in services.names())
        services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("handed-over")
        await order.act("try_again")
        ended = await order.result()

    assert ended == "handed-over"


async def test_words_that_come_doubled_and_late_change_nothing(skipping: Client, time: WorkflowEnvironment) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("making")

    async with running(skipping, services) as order:
        await order.place()
        for _ in range(20):
            await order.case_changed()
        services.to("handed-over")
        await order.case_changed()
        ended = await order.result()

    assert ended == "handed-over"
    assert services.names().count(steps.CHECK.name) == 1
    assert {given.request_id.split("/")[2] for given in services.of(money.MARK)} == {"mark-delivered"}


@pytest.mark.rule("SK-33")
async def test_the_invoice_of_a_returned_key_is_issued_once_however_often_it_returns(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services(means="deferred")
    services.answers[steps.CHECK.name] = lambda _: services.to("returned", redelivery=0)
    services.answers[steps.REDELIVER.name] = lambda given: services.to("redelivering", redelivery=given.redelivery)

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: money.INVOICE.name in services.names())
        for redelivery in (1, 2):
            services.to("redelivery-requested", redelivery=redelivery)
            await order.case_changed()
            await until(lambda: len(services.of(steps.REDELIVER)) == redelivery)  # noqa: B023  # awaited at once
            services.to("returned", redelivery=redelivery)
            await order.case_changed()
        services.to("destroyed", reason="storage-ended")
        await order.case_changed()
        ended = await order.result()

    assert ended == "destroyed"
    assert services.names().count(money.INVOICE.name) == 1
    assert [given.redelivery for given in services.of(steps.REDELIVER)] == [1, 2]


@pytest.mark.rule("SK-28")
async def test_no_other_day_is_promised_for_a_silence_that_was_just_broken(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    await waiting(services, time, "making", patience_until=timedelta(minutes=5))
    services.answers[steps.CALL_OPERATOR.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(timedelta(minutes=6))
        await order.result_in(time)

    assert services.of(steps.CALL_OPERATOR)
    assert services.of(money.PROMISE) == []
