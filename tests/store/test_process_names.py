"""The domain knows no Temporal, so the names of processes and signals stand there again."""

from __future__ import annotations

from services.store.invoices import domain as invoices
from services.store.orders import domain as orders
from services.store.orders.models import KEY_FLOW
from workflows.invoice import contract as invoice
from workflows.sparekey_order import contract as sparekey_order


def test_orders_and_invoices_name_their_processes_and_signals_as_these_do() -> None:
    assert {KEY_FLOW: sparekey_order.WORKFLOW} == orders.PROCESSES
    assert orders.PAYMENT_CHANGED == sparekey_order.PAYMENT_CHANGED
    assert (invoices.PROCESS, invoices.INVOICE_CHANGED) == (invoice.WORKFLOW, invoice.INVOICE_CHANGED)
