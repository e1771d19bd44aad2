"""An operator's part in orders whose process is stuck before the case begins, or after it has ended (OP-04)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import OperatorActionNotPossible
from services.sparekey.desk.domain import DeskResolve
from services.sparekey.drafts.domain import DropOrder
from services.sparekey.ports import Answer
from tests.sparekey.world import World, request

SATO = Caller("operator", "op_sato")


async def placing(world: World) -> str:
    """An order whose payment nobody has decided yet."""
    order_id, snapshot_hash = await world.ready_to_place()
    world.processes.answer = Answer("pending")
    await world.place(order_id, snapshot_hash)
    return order_id


async def drafted_again(world: World) -> str:
    order_id = await placing(world)
    await world.abandon(order_id, "card-declined")
    return order_id


async def cancelled(world: World) -> str:
    order_id = await world.cut()
    world.leaves()
    await world.look(order_id)
    for operator in ("op_sato", "op_tanaka"):
        await world.act(order_id, "reject_dispatch", operator)
    await world.stop(order_id)
    await world.close(order_id, State.CANCELLED)
    return order_id


@pytest.mark.rule("OP-04")
@pytest.mark.parametrize("way", [drafted_again, cancelled])
async def test_a_process_that_is_stuck_at_its_very_end_is_let_go_on_and_the_case_stays_as_it_is(
    world: World, way: Callable[[World], Awaitable[str]]
) -> None:
    order_id = await way(world)
    before = await world.case(order_id)

    after = await world.act(order_id, "try_again")

    assert after == before


async def called_after_the_end(world: World) -> str:
    """Cancelled, and then the key left all the same."""
    order_id = await cancelled(world)
    await world.dispatched(order_id)
    return order_id


@pytest.mark.rule("OP-04")
async def test_a_call_to_an_order_that_has_ended_is_put_away_once_it_is_dealt_with(world: World) -> None:
    order_id = await called_after_the_end(world)
    waits = await world.needing_a_person()
    asked = DeskResolve(request_id=request(), order_id=order_id, reason="key-came-back")

    for _ in range(2):
        await world.domain.desk.resolve(SATO, asked)

    assert order_id in waits
    assert order_id not in await world.needing_a_person()
    case = await world.case(order_id)
    assert (case.state, case.needs_operator) == (State.CANCELLED, "")
    audits = await world.rows("select operator, action, reason from sparekey.audits where order_id = :id", id=order_id)
    assert tuple(audits[-1]) == ("op_sato", "resolve", "key-came-back")


@pytest.mark.rule("OP-04")
async def test_what_goes_on_or_calls_nobody_cannot_be_put_away(world: World) -> None:
    goes_on, ended = await world.cut(), await cancelled(World(world.database, world.keys_file))
    await world.dispatched(goes_on)

    for order_id in (goes_on, ended):
        with pytest.raises(OperatorActionNotPossible):
            await world.domain.desk.resolve(SATO, DeskResolve(request_id=request(), order_id=order_id, reason="seen"))
        assert (
            await world.rows("select 1 from sparekey.audits where order_id = :id and action = 'resolve'", id=order_id)
            == []
        )
    with pytest.raises(NotFound):
        await world.domain.desk.resolve(SATO, DeskResolve(request_id=request(), order_id=new_id("ord"), reason="seen"))

    assert (await world.case(goes_on)).needs_operator == "dispatched-unreleased"


async def test_a_draft_that_an_operator_had_a_hand_in_can_be_dropped_and_the_audit_stays(world: World) -> None:
    order_id = await placing(world)
    with pytest.raises(NotFound):
        await world.desk_number(order_id)
    await world.act(order_id, "try_again")
    await world.abandon(order_id, "card-declined")

    await world.domain.drafts.drop(world.member, DropOrder(request_id=request(), order_id=order_id))

    assert len(await world.rows("select 1 from sparekey.audits where order_id = :id", id=order_id)) == 1
