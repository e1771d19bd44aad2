"""The store as one invoice sees it, as a script: only the process is under test here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from services.chassis.ids import new_id
from services.chassis.temporal import NamedFailures
from workflows.invoice import contract as steps
from workflows.invoice.contract import ActedOnInvoice, ChargeLate, Invoice, ReviewInvoice, StartInvoice
from workflows.invoice.workflow import DeferredInvoice
from workflows.kit import Recorded

SPACING = timedelta(days=14)
MOST = 3


class Store:
    """One invoice: what a test makes of it, and what was asked of it.

    Attributes:
        failure: what a look fails with, when set.
        first: happens when a charge is asked for, just before the store decides.
    """

    def __init__(self, due_at: datetime) -> None:
        self.invoice_id = new_id("inv")
        self.order_id = new_id("ord")
        self.due_at = due_at
        self.state: steps.State = "issued"
        self.charged = 0
        self.looks: list[ReviewInvoice] = []
        self.charges: list[ChargeLate] = []
        self.actions: list[ActedOnInvoice] = []
        self.failure: ApplicationError | None = None
        self.first: Callable[[], None] = lambda: None

    def stands(self) -> Invoice:
        still_open = self.state in {"issued", "late"}
        at = self.due_at + self.charged * SPACING if still_open else None
        enough = self.charged >= MOST
        return Invoice(
            state=self.state,
            late_charges=self.charged,
            next_charge_at=None if enough else at,
            patience_until=at if enough else None,
        )

    @activity.defn(name=steps.REVIEW.name)
    async def review(self, given: ReviewInvoice) -> Invoice:
        self.looks.append(given)
        if self.failure is not None:
            raise self.failure
        return self.stands()

    @activity.defn(name=steps.CHARGE.name)
    async def charge(self, given: ChargeLate) -> Invoice:
        self.charges.append(given)
        self.first()
        if self.state in {"issued", "late"} and self.charged == given.ordinal - 1:
            self.state, self.charged = "late", given.ordinal
        return self.stands()

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: ActedOnInvoice) -> Recorded:
        self.actions.append(given)
        return Recorded(action_id="act_1")


@asynccontextmanager
async def running(client: Client, store: Store, ahead: float = 0) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """The process of this invoice, with a worker of its own and the sandbox on."""
    queue = f"queue-{store.invoice_id}"
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[DeferredInvoice],
        activities=[store.review, store.charge, store.record],
        interceptors=[NamedFailures()],
    )
    async with worker:
        given = StartInvoice(
            invoice_id=store.invoice_id, order_id=store.order_id, member_id="mem_1", clock_ahead_seconds=ahead
        )
        yield await client.start_workflow(
            steps.WORKFLOW,
            given,
            id=steps.workflow_id(store.invoice_id),
            task_queue=queue,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(SearchAttributeKey.for_keyword("OrderId"), store.order_id)]
            ),
        )
