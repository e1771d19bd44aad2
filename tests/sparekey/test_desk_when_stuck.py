"""An operator's part in orders whose process is stuck before the case begins, or after it has ended (OP-04)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.chassis.errors import NotFound
from services.sparekey.cases.transitions import State
from services.sparekey.drafts.domain import DropOrder
from services.sparekey.ports import Answer
from tests.sparekey.house import House, request


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


async def test_a_draft_that_an_operator_had_a_hand_in_can_be_dropped_and_the_audit_stays(house: House) -> None:
    order_id = await placing(house)
    with pytest.raises(NotFound):
        await house.desk_number(order_id)
    await house.act(order_id, "try_again")
    await house.abandon(order_id, "card-declined")

    await house.domain.drafts.drop(house.member, DropOrder(request_id=request(), order_id=order_id))

    assert len(await house.rows("select 1 from sparekey.audits where order_id = :id", id=order_id)) == 1
