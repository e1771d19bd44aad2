"""Placing: hold, authorise, confirm, and how each is undone (SK-27, ST-21, ST-23)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.support.waiting import until
from tests.workflows.sparekey_order.fakes import Order, Services, refused, running
from workflows.board import NEEDS_OPERATOR
from workflows.kit import CUSTOMER_WAITS
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps


def code(failure: WorkflowUpdateFailedError) -> str:
    assert isinstance(failure.cause, ApplicationError)
    return str(failure.cause.type)


async def test_an_order_is_placed_by_one_update_in_the_order_of_the_saga(dev: Client) -> None:
    services = Services()

    async with running(dev, services) as order:
        answer = await order.place()

    assert (answer.outcome, answer.order_number) == ("placed", "1000000001")
    assert services.names()[:5] == [
        money.BEGIN.name,
        money.HOLD.name,
        money.AUTHORISE.name,
        money.CONFIRM.name,
        steps.CONFIRM.name,
    ]


@pytest.mark.rule("ST-23")
async def test_a_declined_payment_frees_points_coupon_and_draft_last_taken_first(dev: Client) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = money.Payment(state="declined", decline_code="card-declined-expired")

    async with running(dev, services) as order:
        answer = await order.place()
        ended = await order.result()

    assert (answer.outcome, answer.decline_code) == ("declined", "card-declined-expired")
    assert services.names()[3:] == [money.RELEASE.name, money.ABANDON.name, steps.ABANDON.name]
    assert ended == "draft"


async def test_a_refused_hold_is_undone_too_since_its_answer_may_have_been_lost(dev: Client) -> None:
    services = Services()
    services.answers[money.HOLD.name] = refused("points-insufficient")

    async with running(dev, services) as order:
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await order.place()

    assert code(failure.value) == "points-insufficient"
    assert services.names()[2:] == [money.RELEASE.name, money.ABANDON.name, steps.ABANDON.name]


async def test_after_a_decline_the_next_try_is_a_run_of_its_own_under_the_same_id(dev: Client) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = lambda given: (
        money.Payment(state="declined", decline_code="card-declined") if given.attempt == 1 else None
    )

    async with running(dev, services) as order:
        first = await order.place(attempt=1)
        await order.result()
        second = await order.place(attempt=2)

    assert (first.outcome, second.outcome) == ("declined", "placed")
    assert [given.request_id.split("/")[2:] for given in services.of(money.HOLD)] == [
        ["hold", "attempt=1"],
        ["hold", "attempt=2"],
    ]


async def test_the_same_update_again_gives_the_same_answer_and_acts_once(dev: Client) -> None:
    services = Services()

    async with running(dev, services) as order:
        answers = await asyncio.gather(*(order.place() for _ in range(8)))

    assert {answer.order_number for answer in answers} == {"1000000001"}
    assert len(services.of(money.AUTHORISE)) == 1


async def test_another_update_while_it_is_placed_is_refused_by_name(dev: Client) -> None:
    services = Services()

    async with running(dev, services) as order:
        await order.place()
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await order.place(update_id="another-tab")

    assert code(failure.value) == "order-being-placed"
    assert len(services.of(money.BEGIN)) == 1


async def test_an_unanswered_confirmation_is_asked_again_and_never_undone(dev: Client) -> None:
    services = Services()
    services.answers[money.CONFIRM.name] = ConnectionError()

    async with running(dev, services) as order:
        placing = asyncio.ensure_future(order.place())
        await until(lambda: len(services.of(money.CONFIRM)) >= CUSTOMER_WAITS.tries, within=60)
        del services.answers[money.CONFIRM.name]
        answer = await placing

    assert answer.outcome == "placed"
    assert money.ABANDON.name not in services.names()


@pytest.mark.rule("ST-21")
@pytest.mark.parametrize("early", [timedelta(seconds=1), timedelta(0)])
async def test_a_payer_who_never_returns_is_decided_by_the_store_at_thirty_minutes_not_before(
    skipping: Client, time: WorkflowEnvironment, early: timedelta
) -> None:
    services = Services(means="epos")
    until = await time.get_current_time() + timedelta(minutes=30)
    waiting = money.Payment(state="requires-action", redirect_url="https://epos.example/p", action_until=until)
    declined = money.Payment(state="declined", decline_code="payer-did-not-return")
    services.answers[money.AUTHORISE.name] = lambda given: declined if given.as_of >= until else waiting

    async with running(skipping, services) as order:
        answer = await order.place()
        await time.sleep(until - early - await time.get_current_time())
        asked_before = len(services.of(money.AUTHORISE))
        await time.sleep(early + timedelta(seconds=1))
        await order.result()

    assert (answer.outcome, answer.action_until) == ("requires-action", until)
    assert asked_before == 1 if early else asked_before <= 2
    assert min(services.instants(money.AUTHORISE)[1:]) >= until
    assert services.names()[-3:] == [money.RELEASE.name, money.ABANDON.name, steps.ABANDON.name]


async def test_a_payer_who_returns_in_time_has_placed_the_order(dev: Client) -> None:
    services = Services(means="epos")
    services.answers[money.AUTHORISE.name] = lambda given: money.Payment(
        state="authorised" if given.request_id.endswith("/n=1") else "requires-action"
    )

    async with running(dev, services) as order:
        await order.place()
        await order.payment_changed()
        await until(lambda: steps.CHECK.name in services.names())

    assert money.ABANDON.name not in services.names()


async def test_a_partner_who_gives_no_answer_leaves_the_order_pending_until_it_is_known(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = lambda given: money.Payment(
        state="authorised" if given.request_id.endswith("/n=2") else "unknown"
    )
    services.answers[steps.CHECK.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        answer = await order.place()
        await time.sleep(timedelta(minutes=3))
        ended = await order.result()

    assert answer.outcome == "pending"
    assert ended == "handed-over"


@pytest.mark.rule("QA-05")
async def test_undoing_goes_on_where_a_crash_cut_it_off(dev: Client) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = money.Payment(state="declined", decline_code="card-declined")
    crashed = asyncio.Event()

    def crash(_given: object) -> BaseException:
        crashed.set()
        return ConnectionError()

    services.answers[money.ABANDON.name] = crash
    async with running(dev, services) as order:
        placing = asyncio.ensure_future(order.place())
        await asyncio.wait_for(crashed.wait(), 20)
    del services.answers[money.ABANDON.name]
    async with running(dev, services) as order:
        answer = await placing
        await order.result()

    assert answer.outcome == "declined"
    assert len(services.of(money.RELEASE)) == 1
    assert services.names()[-1] == steps.ABANDON.name


@pytest.mark.rule("OP-06")
async def test_a_store_that_is_away_when_the_payer_is_back_is_asked_again_without_a_person(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services(means="epos")
    away = True
    waiting = money.Payment(state="requires-action", action_until=await time.get_current_time() + timedelta(minutes=30))

    def authorise(given: money.OrderStep) -> object:
        if given.request_id.endswith("/attempt=1"):
            return waiting
        return ConnectionError() if away else money.Payment(state="authorised")

    services.answers[money.AUTHORISE.name] = authorise
    services.answers[steps.CHECK.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        await order.place()
        await order.payment_changed()
        await until(lambda: len(services.of(money.AUTHORISE)) > CUSTOMER_WAITS.tries, within=60)
        away = False
        ended = await order.result_in(time)

    assert ended == "handed-over"
    assert money.ABANDON.name not in services.names()


async def needs_operator(order: Order) -> bool:
    """By the last word of the history, which both servers have."""
    needed = False
    async for event in order.handle.fetch_history_events():
        said = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        if NEEDS_OPERATOR.name in said:
            needed = said[NEEDS_OPERATOR.name].data == b"true"
    return needed


@pytest.mark.rule("OP-06")
async def test_a_confirmation_that_stays_unanswered_calls_a_person_who_is_needed_no_more_once_it_comes(
    dev: Client,
) -> None:
    services = Services()
    services.answers[money.CONFIRM.name] = ConnectionError()

    async with running(dev, services) as order:
        placing = asyncio.ensure_future(order.place())
        await until(lambda: len(services.of(money.CONFIRM)) > 1)
        await until(lambda: needs_operator(order), within=90)
        del services.answers[money.CONFIRM.name]
        await placing
        await until(lambda: steps.CHECK.name in services.names())
        after = await needs_operator(order)

    assert not after


@pytest.mark.rule("OP-06")
async def test_a_partner_who_never_answers_about_the_payment_calls_a_person(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = money.Payment(state="unknown")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(timedelta(minutes=10))
        soon = await needs_operator(order)
        await time.sleep(timedelta(hours=1))
        later = await needs_operator(order)

    assert (soon, later) == (False, True)


@pytest.mark.rule("OP-04")
async def test_a_partner_who_is_silent_for_a_week_does_not_fill_the_history_and_is_heard_when_it_answers(
    skipping: Client, time: WorkflowEnvironment
) -> None:
    services = Services()
    services.answers[money.AUTHORISE.name] = money.Payment(state="unknown")
    services.answers[steps.CHECK.name] = lambda _: services.to("handed-over")

    async with running(skipping, services) as order:
        await order.place()
        await time.sleep(timedelta(days=7))
        events = len((await order.handle.fetch_history()).events)
        services.answers[money.AUTHORISE.name] = money.Payment(state="authorised")
        await time.sleep(timedelta(hours=1, minutes=5))
        ended = await order.result()

    assert events < 3_000
    assert ended == "handed-over"
