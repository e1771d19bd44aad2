"""The process of an invoice: charged when it is late, ended when it is paid, a person called at the end (ST-24)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.invoice.script import SPACING, Store, running
from workflows.invoice import contract as steps

A_SECOND = timedelta(seconds=1)
SLACK = timedelta(milliseconds=900)
TWO_WEEKS = timedelta(days=14)


@pytest.mark.rule("OP-05")
async def test_an_unpaid_invoice_is_charged_when_it_is_late_and_not_a_second_before(time: WorkflowEnvironment) -> None:
    due = await time.get_current_time() + TWO_WEEKS
    store = Store(due)

    async with running(time.client, store) as process:
        await until(lambda: bool(store.looks))
        await time.sleep(due - await time.get_current_time() - A_SECOND)
        before = list(store.charges)
        await time.sleep(2 * A_SECOND)
        await until(lambda: bool(store.charges))
        store.state = "paid"
        await process.signal(steps.INVOICE_CHANGED)
        ended = await end_of(process)

    assert before == []
    assert [due <= charge.as_of < due + SLACK for charge in store.charges] == [True]
    assert ended == "paid"


@pytest.mark.rule("PR-06")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_a_payment_that_races_the_charge_is_followed_whoever_won(time: WorkflowEnvironment, seconds: int) -> None:
    due = await time.get_current_time() + TWO_WEEKS
    store = Store(due)

    async with running(time.client, store) as process:
        await until(lambda: bool(store.looks))
        await time.sleep(due - await time.get_current_time() + seconds * A_SECOND)
        store.state = "paid"
        await process.signal(steps.INVOICE_CHANGED)
        await time.sleep(2 * A_SECOND)
        ended = await end_of(process)

    assert ended == "paid"
    assert seconds == 0 or store.charged == (0 if seconds < 0 else 1)
    assert len(store.charges) <= 1


async def test_a_payment_that_comes_between_looking_and_charging_wins(time: WorkflowEnvironment) -> None:
    store = Store(await time.get_current_time() + TWO_WEEKS)

    def pay() -> None:
        store.state = "paid"

    store.first = pay
    async with running(time.client, store) as process:
        ended = await end_of(process)

    assert (ended, store.charged) == ("paid", 0)


@pytest.mark.rule("ST-24")
async def test_three_charges_two_weeks_apart_and_then_a_person(time: WorkflowEnvironment) -> None:
    due = await time.get_current_time() + TWO_WEEKS
    store = Store(due)

    async with running(time.client, store) as process:
        for ordinal in range(3):
            await time.sleep(due + ordinal * SPACING - await time.get_current_time() + A_SECOND)
            await until(lambda wanted=ordinal + 1: store.charged == wanted)  # type: ignore[misc]  # bound now
        await time.sleep(SPACING + A_SECOND)
        await time.sleep(timedelta(days=300))
        charges = list(store.charges)
        store.state = "paid"
        answer = await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "paid-at-desk"})
        ended = await end_of(process)

    assert [charge.ordinal for charge in charges] == [1, 2, 3]
    assert len({charge.request_id for charge in charges}) == 3
    assert (answer, ended) == ("invoice-unpaid", "paid")
    assert [(action.operator, action.reason) for action in store.actions] == [("op_sato", "paid-at-desk")]


async def test_after_a_long_outage_each_charge_that_fell_due_is_made_once(time: WorkflowEnvironment) -> None:
    store = Store(await time.get_current_time() - timedelta(days=20))

    async with running(time.client, store) as process:
        await until(lambda: store.charged == 2)
        store.state = "cancelled"
        await process.signal(steps.INVOICE_CHANGED)
        ended = await end_of(process)

    assert ([charge.ordinal for charge in store.charges], ended) == ([1, 2], "cancelled")


@pytest.mark.rule("PR-05")
async def test_a_clock_that_was_ahead_at_the_start_is_ahead_in_the_process(time: WorkflowEnvironment) -> None:
    store = Store(await time.get_current_time() + TWO_WEEKS)

    async with running(time.client, store, ahead=TWO_WEEKS.total_seconds() + 60) as process:
        await until(lambda: store.charged == 1)
        store.state = "paid"
        await process.signal(steps.INVOICE_CHANGED)
        await end_of(process)

    assert store.charges[0].as_of >= store.due_at


@pytest.mark.rule("OP-04")
async def test_a_look_that_fails_for_good_calls_an_operator_who_lets_the_process_go_on(dev: Client) -> None:
    store = Store(datetime.now(UTC) + TWO_WEEKS)
    store.failure = ApplicationError("not-found", type="not-found", non_retryable=True)

    async with running(dev, store) as process:
        await until(lambda: bool(store.looks))
        store.failure, store.state = None, "cancelled"
        answer = await process.execute_update(steps.LOOK_AGAIN, {"operator": "op_sato", "reason": "mended"})
        ended = await end_of(process)

    assert (answer, ended) == ("not-found", "cancelled")


@pytest.mark.rule("OP-01")
async def test_operators_see_what_an_invoice_waits_for_and_until_when(dev: Client) -> None:
    due = datetime(2199, 6, 1, 15, tzinfo=UTC)
    store = Store(due)

    async with running(dev, store) as process:
        await until(lambda: bool(store.looks))
        shown = dict((await process.describe()).search_attributes)
        while "Deadline" not in shown:
            shown = dict((await process.describe()).search_attributes)
        details = await process.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        store.state = "paid"
        await process.signal(steps.INVOICE_CHANGED)
        await end_of(process)

    assert (shown["State"], shown["Deadline"], shown["NeedsOperator"]) == (["issued"], [due], [False])
    assert "2199-06-02 00:00 JST" in details.current_details
    assert store.invoice_id in details.current_details
