"""A night that cannot be done, or that finds books which disagree, calls an operator and is looked at again (OP-06)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from tests.support.end_of import end_of
from tests.support.waiting import until
from tests.workflows.daily.script import Night, Process, act, called, details, needs_operator, running, state
from workflows.daily import contract
from workflows.daily.workflow import AGAIN, DISAGREEMENT, SETTLED
from workflows.views import views

A_SECOND, A_MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SLACK = timedelta(seconds=2)
ALL = list(contract.CHORES)


async def told(process: Process, words: str) -> str:
    """The night's details, once these words stand there."""
    shown = await details(process)
    return shown if words in shown else ""


@pytest.mark.rule("OP-06")
@pytest.mark.parametrize("chore", ALL)
async def test_a_service_that_is_back_before_patience_is_over_calls_nobody(
    time: WorkflowEnvironment, chore: contract.Chore
) -> None:
    night = Night(1)
    night.away = True

    async with running(time.client, night, chore) as process:
        await until(lambda: night.tries > 0)
        await time.sleep(contract.PATIENCE - 2 * A_MINUTE)
        called = await needs_operator(process)
        night.away = False
        await end_of(process)

    assert (called, await needs_operator(process), await state(process)) == (False, False, "done")


@pytest.mark.rule("OP-06")
@pytest.mark.parametrize("chore", ALL)
async def test_a_service_that_is_away_for_longer_calls_an_operator_until_it_is_done_after_all(
    time: WorkflowEnvironment, chore: contract.Chore
) -> None:
    night = Night(1)
    night.away = True

    async with running(time.client, night, chore) as process:
        await until(lambda: night.tries > 0)
        await time.sleep(contract.PATIENCE + SLACK)
        await called(process)
        shown, standing = await details(process), await state(process)
        night.away = False
        tried = night.tries
        await time.sleep(AGAIN - A_MINUTE)
        early = night.tries
        await end_of(process)

    assert "`unavailable`" in shown
    assert contract.LOOK_AGAIN in shown
    assert standing == "needs-operator"
    assert early == tried
    assert (await needs_operator(process), await state(process)) == (False, "done")


async def test_what_a_service_refuses_calls_at_once_and_goes_on_when_an_operator_says_so(dev: Client) -> None:
    night = Night(1)
    night.refuses = True

    async with running(dev, night, "points-expiry") as process:
        await called(process)
        tried = night.tries
        night.refuses = False
        answer = await act(process, contract.LOOK_AGAIN)
        done = await end_of(process)

    assert (tried, answer, done) == (1, "permission-denied", 1)


@pytest.mark.rule("OP-06")
async def test_what_both_looks_find_calls_an_operator_with_the_ids_of_it(time: WorkflowEnvironment) -> None:
    night = Night(found=(("ord_passing", "ord_lasting"), ("ord_lasting", "ord_new")))

    async with running(time.client, night, "reconciliation") as process:
        await until(lambda: night.compared == 1)
        await time.sleep(SETTLED - A_SECOND)
        before = night.compared, await needs_operator(process)
        await time.sleep(2 * A_SECOND)
        await called(process)
        shown = await details(process)
        await act(process, contract.CLOSE)
        left = await end_of(process)

    assert before == (1, False)
    assert "| points-held | `ord_lasting` | look 2 |" in shown
    assert f"`{DISAGREEMENT}`" in shown
    assert "ord_passing" not in shown
    assert "ord_new" not in shown
    assert (left, await needs_operator(process), await state(process)) == (1, False, "closed")


@pytest.mark.rule("OP-06")
async def test_what_the_second_look_does_not_find_any_more_calls_nobody(time: WorkflowEnvironment) -> None:
    night = Night(found=(("ord_passing",), ()))

    async with running(time.client, night, "reconciliation") as process:
        await end_of(process)

    assert (night.compared, await state(process), await needs_operator(process)) == (2, "done", False)


async def test_an_operator_who_has_mended_it_has_it_looked_at_again(time: WorkflowEnvironment) -> None:
    night = Night(found=(("ord_wrong",),))

    async with running(time.client, night, "reconciliation") as process:
        await until(lambda: night.compared == 1)
        await time.sleep(SETTLED + SLACK)
        await called(process)
        night.found = [()]
        answer = await act(process, contract.LOOK_AGAIN)
        left = await end_of(process)

    assert (answer, left, await state(process)) == (DISAGREEMENT, 0, "done")


async def test_a_call_stands_while_the_books_cannot_be_read_again(time: WorkflowEnvironment) -> None:
    night = Night(found=(("ord_wrong",),))

    async with running(time.client, night, "reconciliation") as process:
        await until(lambda: night.compared == 1)
        await time.sleep(SETTLED + SLACK)
        await called(process)
        night.refuses = True
        await act(process, contract.LOOK_AGAIN)
        shown = await until(lambda: told(process, "`permission-denied`"))
        await act(process, contract.CLOSE)

    assert "`ord_wrong`" in shown


@pytest.mark.parametrize(
    ("first", "second"),
    [(range(1500), range(3000, 5000)), (range(2000), range(1900, 2000))],
    ids=["both looks find too many", "the first look finds too many"],
)
async def test_more_than_can_be_told_is_counted_and_none_of_it_is_lost(
    time: WorkflowEnvironment, first: range, second: range
) -> None:
    night = Night(found=(tuple(f"ord_{n}" for n in first), tuple(f"ord_{n}" for n in second)))

    async with running(time.client, night, "reconciliation") as process:
        await until(lambda: night.compared == 1)
        await time.sleep(SETTLED + SLACK)
        await called(process)
        shown = await details(process)
        await act(process, contract.CLOSE)
        left = await end_of(process)

    assert left == len(second)
    assert f"{len(second) - 40} more: `ruum reconcile` prints them all" in shown


async def test_a_night_that_goes_well_cannot_be_closed(dev: Client) -> None:
    night = Night()
    night.away = True

    async with running(dev, night, "key-numbers") as process:
        await until(lambda: night.tries > 0)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await act(process, contract.CLOSE)
        night.away = False
        await end_of(process)

    assert str(refused.value.cause) == "nothing-is-wrong: nothing-is-wrong"


@pytest.mark.rule("OP-01")
async def test_the_view_of_those_who_need_a_person_shows_the_night_that_calls(dev: Client) -> None:
    night, calm = Night(found=(("ord_wrong",),)), Night()
    calm.away = night.refuses = True
    needs_me = views(datetime.now(UTC))["needs me"]

    async with running(dev, night, "reconciliation") as process, running(dev, calm, "key-numbers") as other:
        await called(process)
        listed: set[str] = set()
        async with asyncio.timeout(20):
            while process.id not in listed:
                listed = {found.id async for found in dev.list_workflows(needs_me)}
        await act(process, contract.CLOSE)
        calm.away = False
        await end_of(other)

    assert other.id not in listed
