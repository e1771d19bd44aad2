"""Invoices over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.invoices.domain import ChargeLateInvoice, Invoices, IssueInvoice, RecordAction
from services.store.invoices.models import InvoiceView
from services.store.servicer import Context, as_of, day, number, stamp


class InvoicesServicer:
    invoices: Invoices

    async def IssueInvoice(self, request: store_pb2.IssueInvoiceRequest, context: Context) -> store_pb2.Invoice:
        asked = IssueInvoice(request_id=request.request_id, as_of=as_of(request), order_id=request.order_id)
        return invoice(await self.invoices.issue(caller(), asked))

    async def ReviewInvoice(self, request: store_pb2.ReviewInvoiceRequest, context: Context) -> store_pb2.Invoice:
        return invoice(await self.invoices.review(request.invoice_id))

    async def ChargeLateInvoice(
        self, request: store_pb2.ChargeLateInvoiceRequest, context: Context
    ) -> store_pb2.Invoice:
        asked = ChargeLateInvoice(
            request_id=request.request_id,
            as_of=as_of(request),
            invoice_id=request.invoice_id,
            ordinal=request.ordinal,
        )
        return invoice(await self.invoices.charge_late(caller(), asked))

    async def RecordAction(
        self, request: store_pb2.RecordActionRequest, context: Context
    ) -> store_pb2.RecordActionResponse:
        asked = RecordAction(
            request_id=request.request_id,
            as_of=as_of(request),
            invoice_id=request.invoice_id,
            operator=request.operator,
            action=request.action,
            reason=request.reason,
        )
        return store_pb2.RecordActionResponse(action_id=(await self.invoices.record_action(caller(), asked)).action_id)


def invoice(view: InvoiceView) -> store_pb2.Invoice:
    return store_pb2.Invoice(
        invoice_id=view.invoice_id,
        order_id=view.order_id,
        state=number(store_pb2.InvoiceState, view.state),
        amount=view.amount,
        charges=view.charges,
        due_on=day(view.due_on),
        due_at=stamp(view.due_at),
        late_charges=view.late_charges,
        next_charge_at=stamp(view.next_charge_at),
        patience_until=stamp(view.patience_until),
    )
