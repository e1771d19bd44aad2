"""An operator's part in orders whose process is stuck before the case begins, or after it has ended (OP-04)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.chassis.caller import Caller
from services.chassis.errors import NotFound
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.desk.deeds import OperatorActionNotPossible
from services.sparekey.desk.domain import DeskResolve
from services.sparekey.drafts.domain import DropOrder
from services.sparekey.ports import Answer
from tests.sparekey.house import House, request

SATO = Caller("operator", "op_sato")


async def placing(house: House) -> str:
    """An order whose payment nobody has decided yet."""
    order_id, snapshot_hash = await house.ready_to_place()
    house.processes.answer = Answer("pending")
    await house.place(order_id, snapshot_hash)
    return order_id


async def drafted_again(house: House) -> str:
    order_id = await placing(house)
    await house.abandon(order_id, "card-declined")
    return order_id


async def cancelled(house: House) -> str:
    order_id = await house.cut()
    house.leaves()
    await house.look(order_id)
    for operator in ("op_sato", "op_tanaka"):
        await house.act(order_id, "reject_dispatch", operator)
    await house.stop(order_id)
    await house.close(order_id, State.CANCELLED)
    return order_id


@pytest.mark.rule("OP-04")
@pytest.mark.parametrize("way", [drafted_again, cancelled])
async def test_a_process_that_is_stuck_at_its_very_end_is_let_go_on_and_the_case_stays_as_it_is(
    house: House, way: Callable[[House], Awaitable[str]]
) -> None:
    order_id = await way(house)
    before = await house.case(order_id)

    after = await house.act(order_id, "try_again")

    assert after == before


async def called_after_the_end(house: House) -> str:
    """Cancelled, and then the key left all the same."""
    order_id = await cancelled(house)
    await house.dispatched(order_id)
    return order_id


@pytest.mark.rule("OP-04")
async def test_a_call_to_an_order_that_has_ended_is_put_away_once_it_is_dealt_with(house: House) -> None:
    order_id = await called_after_the_end(house)
    waits = await house.domain.desk.cases("", 50, needing=True)
    asked = DeskResolve(request_id=request(), order_id=order_id, reason="key-came-back")

    for _ in range(2):
        await house.domain.desk.resolve(SATO, asked)

    assert order_id in [case.order_id for case in waits]
    assert order_id not in [case.order_id for case in await house.domain.desk.cases("", 50, needing=True)]
    case = await house.case(order_id)
    assert (case.state, case.needs_operator) == (State.CANCELLED, "")
    audits = await house.rows("select operator, action, reason from sparekey.audits where order_id = :id", id=order_id)
    assert tuple(audits[-1]) == ("op_sato", "resolve", "key-came-back")


@pytest.mark.rule("OP-04")
async def test_what_goes_on_or_calls_nobody_cannot_be_put_away(house: House) -> None:
    goes_on, ended = await house.cut(), await cancelled(House(house.database, house.keys_file))
    await house.dispatched(goes_on)

    for order_id in (goes_on, ended):
        with pytest.raises(OperatorActionNotPossible):
            await house.domain.desk.resolve(SATO, DeskResolve(request_id=request(), order_id=order_id, reason="seen"))
        assert (
            await house.rows("select 1 from sparekey.audits where order_id = :id and action = 'resolve'", id=order_id)
            == []
        )
    with pytest.raises(NotFound):
        await house.domain.desk.resolve(SATO, DeskResolve(request_id=request(), order_id=new_id("ord"), reason="seen"))

    assert (await house.case(goes_on)).needs_operator == "dispatched-unreleased"


async def test_a_draft_that_an_operator_had_a_hand_in_can_be_dropped_and_the_audit_stays(house: House) -> None:
    order_id = await placing(house)
    with pytest.raises(NotFound):
        await house.desk_number(order_id)
    await house.act(order_id, "try_again")
    await house.abandon(order_id, "card-declined")

    await house.domain.drafts.drop(house.member, DropOrder(request_id=request(), order_id=order_id))

    assert len(await house.rows("select 1 from sparekey.audits where order_id = :id", id=order_id)) == 1
