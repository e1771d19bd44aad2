"""The declared table of a case's transitions, compared with one written by hand (PR-13)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.idempotency import Work
from services.sparekey.cases import repository
from services.sparekey.cases.changes import Change, change
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import TABLE, Cause, State, TransitionImpossible, leads
from services.sparekey.steps.domain import DispatchRedelivery
from tests.sparekey.world import WORKER, World

# From the pages: from where a case may move, and to where; what stays where it is, is left out.
MOVES: dict[str, set[str]] = {
    "draft": {"placing"},
    "placing": {"draft", "checking"},
    "checking": {"number-asked", "accepted", "cancelling"},
    "number-asked": {"checking", "cancelling"},
    "accepted": {"number-asked", "making", "cancelling"},
    "making": {"accepted", "ready", "stopped", "cancelling"},
    "ready": {"cleared", "stopped"},
    "cleared": {"released", "stopped"},
    "stopped": {
        "accepted",
        "ready",
        "returned",
        "redelivery-requested",
        "dispatched",
        "redelivering",
        "cancelling",
        "destroyed",
    },
    "released": {"dispatched", "stopped"},
    "dispatched": {"absent", "handed-over", "lost", "returned"},
    "absent": {"handed-over", "lost", "returned"},
    "returned": {"redelivery-requested", "destroyed", "stopped"},
    "redelivery-requested": {"redelivering", "accepted", "stopped"},
    "redelivering": {"absent", "handed-over", "lost", "returned", "accepted", "stopped"},
    "handed-over": set(),
    "lost": {"accepted", "handed-over", "returned", "cancelling"},
    "cancelling": {"cancelled", "stopped", "dispatched", "redelivering"},
    "cancelled": set(),
    "destroyed": set(),
}


@pytest.mark.rule("PR-13")
def test_the_table_is_the_one_that_the_pages_describe() -> None:
    found = {state: {to for moves in TABLE.values() for to in moves.get(state, ()) if to != state} for state in State}

    assert {str(state): {str(to) for to in tos} for state, tos in found.items()} == MOVES


def test_every_state_is_reached_from_a_draft() -> None:
    reached, before = {"draft"}, set[str]()
    while reached != before:
        before = set(reached)
        reached |= {to for state in before for to in MOVES[state]}

    assert reached == set(MOVES)


def test_only_what_is_over_leads_nowhere() -> None:
    assert {state for state, tos in MOVES.items() if not tos} == {"handed-over", "cancelled", "destroyed"}


@pytest.mark.rule("PR-13")
async def test_an_impossible_transition_is_refused_by_name_and_changes_nothing(world: World) -> None:
    order_id = await world.made()
    version = (await world.case(order_id)).version

    def jump(_case: Case) -> Change:
        return Change(Cause.HANDED_OVER, State.HANDED_OVER)

    assert not leads(State.MAKING, Cause.HANDED_OVER, State.HANDED_OVER)
    with pytest.raises(TransitionImpossible) as refused:
        await world.database.transact(lambda tx: change(Work(tx, WORKER, world.now), order_id, jump))
    assert refused.value.params == {"state": "making"}
    with pytest.raises(TransitionImpossible):
        await world.close(order_id, State.HANDED_OVER)
    assert (await world.case(order_id)).version == version


async def test_each_change_makes_the_case_one_version_older(world: World) -> None:
    order_id = await world.cleared()
    before = (await world.case(order_id)).version

    await world.release(order_id)

    assert (await world.case(order_id)).version == before + 1


@pytest.mark.rule("PR-06")
async def test_who_has_read_an_older_version_changes_nothing(world: World) -> None:
    order_id = await world.sent()

    async def two_at_once(first: AsyncSession) -> tuple[Case | None, Case | None]:
        read = await repository.get(first, order_id)
        assert read is not None
        first.expunge(read)
        moved = await repository.move(first, read, {"needs_operator": "first"})
        return moved, await repository.move(first, read, {"needs_operator": "second"})

    moved, late = await world.database.transact(two_at_once)

    assert (moved is not None, late) == (True, None)
    assert (await world.case(order_id)).needs_operator == "first"


async def test_changes_that_meet_in_one_state_are_all_made_one_after_the_other(world: World) -> None:
    order_id = await world.sent()
    version = (await world.case(order_id)).version

    def count(case: Case) -> Change:
        return Change(Cause.NOTED, case.state, set={"reminder_days": case.reminder_days + 1})

    async def once() -> None:
        await world.database.transact(lambda tx: change(Work(tx, WORKER, world.now), order_id, count))

    await asyncio.gather(*(once() for _ in range(20)))

    case = await world.case(order_id)
    assert (case.reminder_days, case.version) == (20, version + 20)


async def test_the_story_goes_on_though_the_process_has_a_slower_clock(world: World) -> None:
    order_id = await world.asked_again()
    behind = world.now - timedelta(seconds=2)
    step = DispatchRedelivery(request_id="redeliver", order_id=order_id, redelivery=1, as_of=behind)

    await world.domain.steps.redeliver(WORKER, step)

    story = [line.code for line in (await world.seen(order_id)).timeline]
    assert story.index("key-redelivery-requested") < story.index("key-redelivery-arranged")
