"""The process of an invoice on the real store: payment against collection charge (ST-24, PR-06)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

from deploy.local.postgres import Postgres
from services.store.invoices.domain import IssueInvoice
from tests.store.world import WORKER, World, new_member, request_id
from tests.support.callers import Keys
from tests.support.contexts import migrated
from tests.support.end_of import end_of
from tests.workflows.door import Moment, ended, forward, real_store
from workflows.invoice import contract as steps
from workflows.invoice.activities import InvoiceActivities
from workflows.worker import activities_of, build

A_SECOND = timedelta(seconds=1)


class Dunning(InvoiceActivities):
    """Production's steps; a charge waits at the door for the test."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.moment = Moment()

    @activity.defn(name=steps.CHARGE.name)
    async def charge(self, given: steps.ChargeLate) -> steps.Invoice:
        return await self.moment.passes(given, super().charge)


@dataclass
class Debt:
    """One invoice that is issued, and its process."""

    world: World
    moment: Moment
    order_id: str
    invoice_id: str
    due: datetime
    process: WorkflowHandle[Any, Any]
    skipper: TimeSkipper

    async def forward_to(self, instant: datetime) -> None:
        await forward(self.skipper, self.process, instant)

    async def paid(self) -> None:
        """At the convenience store; the provider tells us, and the relay tells the process."""
        self.world.deferred.account(self.order_id).paid = True
        await self.world.webhook("deferred", self.order_id, "paid")
        async with ended():
            await self.process.signal(steps.INVOICE_CHANGED)

    async def charges(self) -> list[str]:
        return [line for line in await self.world.told(self.invoice_id) if line in {"invoice_late", "invoice_paid"}]


@pytest.fixture
async def debt(postgres: Postgres, keys: Keys, dev: Client) -> AsyncIterator[Debt]:
    async with migrated(postgres, "store") as database, real_store(database, keys) as (world, store):
        order = await world.placed(new_member(), "deferred")
        asked = IssueInvoice(request_id=request_id(), order_id=order.order_id)
        invoice = await world.store.invoices.issue(WORKER, asked)
        assert invoice.due_at is not None
        dunning = Dunning(store)
        async with build(dev, activities_of(dunning)):
            process = await dev.start_workflow(
                steps.WORKFLOW,
                steps.StartInvoice(invoice_id=invoice.invoice_id, order_id=order.order_id, member_id=order.member_id),
                id=steps.workflow_id(invoice.invoice_id),
                task_queue=steps.TASK_QUEUE,
            )
            yield Debt(
                world, dunning.moment, order.order_id, invoice.invoice_id, invoice.due_at, process, TimeSkipper(dev)
            )
            dunning.moment.open.set()
            async with ended():
                await process.terminate()


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize("seconds", [-1, 0, 1])
async def test_who_pays_until_the_last_day_is_charged_nothing_and_who_pays_later_once(debt: Debt, seconds: int) -> None:
    instant = debt.due + seconds * A_SECOND

    await debt.forward_to(instant)
    debt.world.clock.advance(instant - debt.world.clock.now())
    if seconds >= 0:
        await debt.moment.timer_asks()
        debt.moment.open.set()
    if seconds > 0:
        await debt.moment.answered()
    await debt.paid()
    debt.moment.open.set()
    await debt.forward_to(debt.due + A_SECOND)
    ended_as = await asyncio.wait_for(end_of(debt.process), 20)

    late, in_time = ["invoice_late", "invoice_paid"], ["invoice_paid"]
    assert await debt.charges() in ([in_time] if seconds < 0 else [late] if seconds > 0 else [in_time, late])
    assert ended_as == "paid"
    assert [asked for asked in debt.moment.instants if asked < debt.due] == []
