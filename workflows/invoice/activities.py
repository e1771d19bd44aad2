"""The steps of an invoice as calls to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temporalio import activity

from ruum.store.v1 import store_pb2
from workflows import wire
from workflows.invoice import contract as steps
from workflows.invoice.contract import Acted, ChargeLate, Invoice, Recorded, ReviewInvoice

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub


class InvoiceActivities:
    """Holds the stub of the store."""

    def __init__(self, store: StoreServiceAsyncStub) -> None:
        self._store = store

    def all(self) -> list[Callable[..., Any]]:
        """What the worker registers."""
        return [self.review, self.charge, self.record]

    @activity.defn(name=steps.REVIEW.name)
    async def review(self, given: ReviewInvoice) -> Invoice:
        request = store_pb2.ReviewInvoiceRequest(invoice_id=given.invoice_id, as_of=wire.stamp(given.as_of))
        return _invoice(await self._store.ReviewInvoice(request))

    @activity.defn(name=steps.CHARGE.name)
    async def charge(self, given: ChargeLate) -> Invoice:
        request = store_pb2.ChargeLateInvoiceRequest(
            request_id=given.request_id,
            as_of=wire.stamp(given.as_of),
            invoice_id=given.invoice_id,
            ordinal=given.ordinal,
        )
        return _invoice(await self._store.ChargeLateInvoice(request))

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: Acted) -> Recorded:
        request = store_pb2.RecordActionRequest(
            request_id=given.request_id,
            as_of=wire.stamp(given.as_of),
            invoice_id=given.invoice_id,
            operator=given.operator,
            action=given.action,
            reason=given.reason,
        )
        return Recorded(action_id=(await self._store.RecordAction(request)).action_id)


def _invoice(view: store_pb2.Invoice) -> Invoice:
    return Invoice.model_validate(
        {
            "state": wire.word(store_pb2.InvoiceState, view.state),
            "late_charges": view.late_charges,
            "next_charge_at": wire.instant(view, "next_charge_at"),
            "patience_until": wire.instant(view, "patience_until"),
        }
    )
