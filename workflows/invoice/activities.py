"""The steps of an invoice as calls to the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from ruum.store.v1 import store_pb2 as pb
from services.chassis import wire
from workflows.invoice import contract as steps
from workflows.invoice.contract import ActedOnInvoice, ChargeLate, Invoice, ReviewInvoice
from workflows.kit import Recorded

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.store.v1.store_pb2_grpc import StoreServiceAsyncStub


class InvoiceActivities:
    """Holds the stub of the store."""

    def __init__(self, store: StoreServiceAsyncStub) -> None:
        self._store = store

    @activity.defn(name=steps.REVIEW.name)
    async def review(self, given: ReviewInvoice) -> Invoice:
        return wire.read(Invoice, await self._store.ReviewInvoice(wire.write(pb.ReviewInvoiceRequest, given)))

    @activity.defn(name=steps.CHARGE.name)
    async def charge(self, given: ChargeLate) -> Invoice:
        return wire.read(Invoice, await self._store.ChargeLateInvoice(wire.write(pb.ChargeLateInvoiceRequest, given)))

    @activity.defn(name=steps.RECORD_ACTION.name)
    async def record(self, given: ActedOnInvoice) -> Recorded:
        return wire.read(Recorded, await self._store.RecordAction(wire.write(pb.RecordActionRequest, given)))
