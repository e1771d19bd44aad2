"""Every branch of a spare-key order lived once, for the histories that later code must still replay (OP-05).

python -m tests.workflows.sparekey_order.branches     writes them anew: only when no case of the old code runs
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

from temporalio.client import WorkflowHistory, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from tests.support.waiting import until
from tests.workflows.histories import Histories
from tests.workflows.sparekey_order.fakes import Order, Services, refused, running
from workflows.money import contract as money
from workflows.sparekey_order import contract as steps

A_WEEK = timedelta(days=7)

Branch = Callable[[Order, Services, WorkflowEnvironment], Awaitable[None]]


async def straight(order: Order, services: Services, _time: WorkflowEnvironment) -> None:
    """Number known, cut, released, handed over at the first try."""
    await order.place()
    for state in ("accepted", "ready", "dispatched", "handed-over"):
        await moved(order, services, state)


async def declined(order: Order, services: Services, _time: WorkflowEnvironment) -> None:
    services.answers[money.AUTHORISE.name] = money.Payment(state="declined", decline_code="card-declined")
    await order.place()


async def hold_refused(order: Order, services: Services, _time: WorkflowEnvironment) -> None:
    services.answers[money.HOLD.name] = refused("points-insufficient")
    with suppress(WorkflowUpdateFailedError):
        await order.place()


async def payer_awaited(order: Order, services: Services, time: WorkflowEnvironment) -> None:
    until = await time.get_current_time() + timedelta(minutes=30)
    waiting = money.Payment(state="requires-action", redirect_url="https://epos.example/p", action_until=until)
    services.answers[money.AUTHORISE.name] = lambda given: (
        money.Payment(state="declined", decline_code="payer-did-not-return") if given.as_of >= until else waiting
    )
    await order.place()
    await time.sleep(timedelta(minutes=31))


async def week_over(order: Order, services: Services, time: WorkflowEnvironment) -> None:
    deadline = await time.get_current_time() + A_WEEK
    services.answers[steps.CHECK.name] = lambda _: services.to("number-asked", deadline=deadline)
    services.answers[steps.EXPIRE.name] = lambda _: services.to("cancelling", reason="key-number-not-confirmed")
    await order.place()
    await time.sleep(A_WEEK + timedelta(seconds=1))


async def replied(order: Order, services: Services, time: WorkflowEnvironment) -> None:
    deadline = await time.get_current_time() + A_WEEK
    services.answers[steps.CHECK.name] = lambda given: (
        services.to("number-asked", deadline=deadline) if given.check_round == 1 else services.to("accepted")
    )
    await order.place()
    await time.sleep(timedelta(days=5))
    await moved(order, services, "checking", check_round=2)
    for state in ("ready", "dispatched", "handed-over"):
        await moved(order, services, state)


async def returned_twice(order: Order, services: Services, time: WorkflowEnvironment) -> None:
    """Paid later, back at the maker, redelivered, back again, destroyed."""
    services.placing = services.placing.model_copy(update={"means": "deferred"})
    services.answers[steps.CHECK.name] = lambda _: services.to("dispatched")
    await order.place()
    await moved(order, services, "absent")
    await moved(order, services, "returned")
    await moved(order, services, "redelivery-requested", redelivery=1)
    end = await time.get_current_time() + timedelta(days=30)
    services.answers[steps.EXPIRE.name] = lambda _: services.to("destroyed", reason="storage-ended")
    await moved(order, services, "returned", redelivery=1, deadline=end)
    await time.sleep(timedelta(days=31))


async def stopped_and_rejected(order: Order, services: Services, _time: WorkflowEnvironment) -> None:
    services.answers[steps.CHECK.name] = lambda _: services.to("ready")
    services.answers[steps.CHECK_DISPATCH.name] = lambda _: services.to("stopped", needs_operator="lease-ended")
    await order.place()
    await until(lambda: services.case.state == "stopped")
    services.answers[steps.ACT.name] = lambda _: services.to("cancelling", reason="lease-ended")
    await order.act("reject_dispatch")


async def called_back(order: Order, services: Services, _time: WorkflowEnvironment) -> None:
    """Let go, the room changes, stopped too late, rejected all the same, and then on its way."""
    services.answers[steps.CHECK.name] = lambda _: services.to("ready")
    await order.place()
    await until(lambda: services.case.state == "released")
    services.answers[steps.CHECK_DISPATCH.name] = lambda _: services.to("released")
    await moved(order, services, "released", look_due=True)
    await until(lambda: len(services.of(steps.CHECK_DISPATCH)) == 2)
    services.answers[steps.CHECK_DISPATCH.name] = lambda _: services.to("stopped", needs_operator="lease-ended")
    await moved(order, services, "released", look_due=True)
    await until(lambda: services.case.state == "stopped")
    services.answers[steps.ACT.name] = lambda _: services.to("cancelling", reason="lease-ended")
    services.answers[steps.STOP.name] = lambda _: services.to("stopped", needs_operator="stopped-too-late")
    await order.act("reject_dispatch")
    await until(lambda: services.case.needs_operator == "stopped-too-late")
    for state in ("dispatched", "handed-over"):
        await moved(order, services, state, needs_operator="")


async def operator_called(order: Order, services: Services, time: WorkflowEnvironment) -> None:
    patience = await time.get_current_time() + timedelta(days=3)
    services.answers[steps.CHECK.name] = lambda _: services.to("checking", patience_until=patience)
    await order.place()
    await time.sleep(timedelta(days=3, seconds=1))
    services.answers[steps.ORDER_KEYS.name] = refused("maker-refused-order")
    await moved(order, services, "accepted")
    await until(lambda: steps.ORDER_KEYS.name in services.names())
    services.answers[steps.ORDER_KEYS.name] = lambda _: services.to("handed-over")
    await order.act("try_again")


BRANCHES: dict[str, Branch] = {
    branch.__name__: branch
    for branch in (
        straight,
        declined,
        hold_refused,
        payer_awaited,
        week_over,
        replied,
        returned_twice,
        stopped_and_rejected,
        called_back,
        operator_called,
    )
}


async def moved(order: Order, services: Services, state: str, **more: object) -> None:
    """The case moves by a word from outside, and the process has seen it."""
    services.to(state, **more)
    seen = len(services.of(steps.GET))
    await order.case_changed()
    await until(lambda: len(services.of(steps.GET)) > seen)


async def live(branch: Branch, time: WorkflowEnvironment) -> WorkflowHistory:
    services = Services()
    async with running(time.client, services) as order:
        await branch(order, services, time)
        await order.result_in(time)
        return await order.handle.fetch_history()


HISTORIES = Histories(
    Path(__file__).with_name("histories"), {name: partial(live, branch) for name, branch in BRANCHES.items()}
)

if __name__ == "__main__":
    HISTORIES.record()
