"""Between our release and the carrier: the process looks when it is due, and follows what the look says (SK-05)."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from services.sparekey.cases.models import Case
from tests.sparekey.rooms import Teller
from tests.support.waiting import until
from tests.workflows.sparekey_order.branches import called_back, moved
from tests.workflows.sparekey_order.fakes import Services, running
from tests.workflows.sparekey_order.joined import Joined, Order
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps


def asked(order: Order) -> list[str]:
    """What the maker was asked, in turn."""
    return [verb for verb, key in order.world.maker.asked if key.startswith(order.id)]


async def is_asked(order: Order, verb: str) -> None:
    """Waits until this is the last that the maker was asked: the row says it before."""

    async def is_last() -> bool:
        return asked(order)[-1] == verb

    await until(is_last)


async def is_stopped(order: Order) -> Case:
    """The row, once it is stopped, and the maker too."""
    row = await order.stands("stopped")
    await is_asked(order, "stop")
    return row


@pytest.mark.rule("SK-05")
@pytest.mark.parametrize(("way", "verb"), [("released", "release"), ("redelivering", "redeliver")])
async def test_a_lease_that_ends_after_the_release_has_the_maker_stopped_by_the_process(
    here: Joined, way: str, verb: str
) -> None:
    order = await here.ordered()
    await getattr(order, way)()
    await is_asked(order, verb)

    await order.hears(Teller(order.world).moved_out())

    row = await is_stopped(order)
    assert (row.reason, row.look_due) == ("lease-ended", False)


@pytest.mark.rule("SK-05")
async def test_a_lease_that_only_changed_is_looked_at_and_the_key_goes_its_way(here: Joined) -> None:
    order = await here.ordered()
    await order.released()
    await is_asked(order, "release")

    await order.hears(Teller(order.world).lease_changed())
    await order.stands("released", look_due=False)
    await order.hears(order.world.dispatched(order.id))

    await order.stands("dispatched")
    assert "stop" not in asked(order)


@pytest.mark.rule("SK-05")
async def test_a_room_that_changes_while_the_maker_is_told_to_let_go_is_looked_at_right_after(here: Joined) -> None:
    order = await here.ordered()
    rooms = Teller(order.world)
    await order.making()

    async def meanwhile(verb: str) -> None:
        if verb == "release":
            order.world.maker.before = None
            await rooms.moved_out()

    order.world.maker.before = meanwhile
    await order.hears(order.world.maker_says("ready", order.id, making=1))
    await order.stands("released", look_due=True)
    await order.bring()

    await is_stopped(order)
    assert asked(order)[-2:] == ["release", "stop"]


@pytest.mark.rule("SK-05")
async def test_a_rejected_key_that_had_left_before_the_stop_gives_no_money_back(skipping: Client) -> None:
    services = Services()

    async with running(skipping, services) as order:
        await called_back(order, services, None)  # type: ignore[arg-type]  # no time passes in it
        ended = await order.result()

    assert ended == "handed-over"
    assert money.CANCEL.name not in services.names()
    assert len(services.of(steps.STOP)) == 1


async def test_words_while_a_key_waits_to_be_dispatched_cost_no_look(skipping: Client) -> None:
    services = Services()
    services.answers[steps.CHECK.name] = lambda _: services.to("redelivering", redelivery=1)

    async with running(skipping, services) as order:
        await order.place()
        await until(lambda: services.case.state == "redelivering")
        for state in ("redelivering", "handed-over"):
            await moved(order, services, state)
        await order.result()

    assert services.of(steps.CHECK_DISPATCH) == []
