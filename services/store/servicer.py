"""The contract of the store: read, ask the domain, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruum.common.v1 import common_pb2
from ruum.store.v1 import store_pb2 as pb
from ruum.store.v1.store_pb2_grpc import StoreServiceServicer
from services.chassis import wire
from services.chassis.door import caller
from services.store.books.domain import Books
from services.store.cards.domain import Cards
from services.store.catalogue.domain import Catalogue, PutProducts
from services.store.checkout.domain import Checkouts, DropCheckout, OpenKeyCheckout, TakeSnapshot, UpdateCheckout
from services.store.coupons.domain import Coupons, PutCoupons
from services.store.intents.domain import Intents
from services.store.invoices.domain import ChargeLateInvoice, Invoices, IssueInvoice, RecordAction
from services.store.orders.domain import CancelOrder, MarkOrder, Orders, PromiseDispatch
from services.store.payments.domain import (
    Authorise,
    CapturePayment,
    ChangeMeans,
    EnsureAuthorised,
    PayerReturned,
    Payments,
)
from services.store.placing.domain import AbandonPlacing, BeginPlacing, ConfirmOrder, Placings
from services.store.webhooks.domain import Webhooks


@dataclass(frozen=True)
class Domain:
    """The domain of the store, wired."""

    catalogue: Catalogue
    coupons: Coupons
    cards: Cards
    intents: Intents
    checkouts: Checkouts
    placings: Placings
    payments: Payments
    orders: Orders
    invoices: Invoices
    books: Books
    webhooks: Webhooks


class StoreServicer(StoreServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    # What is sold.

    async def ListProducts(self, request: pb.ListProductsRequest, context: Any) -> pb.ListProductsResponse:
        listed = await self._domain.catalogue.listed(request.category, wire.page(request.page))
        return wire.write(pb.ListProductsResponse, listed, products=listed.items)

    async def PutProducts(self, request: pb.PutProductsRequest, context: Any) -> pb.PutProductsResponse:
        done = await self._domain.catalogue.put(caller(), wire.read(PutProducts, request))
        return wire.write(pb.PutProductsResponse, done)

    async def PutCoupons(self, request: pb.PutCouponsRequest, context: Any) -> pb.PutCouponsResponse:
        done = await self._domain.coupons.put(caller(), wire.read(PutCoupons, request))
        return wire.write(pb.PutCouponsResponse, done)

    async def ListUsableCoupons(
        self, request: pb.ListUsableCouponsRequest, context: Any
    ) -> pb.ListUsableCouponsResponse:
        usable = await self._domain.coupons.usable(caller(), request.order_id)
        return wire.write(pb.ListUsableCouponsResponse, None, coupons=usable)

    async def ListKeptCards(self, request: pb.ListKeptCardsRequest, context: Any) -> pb.ListKeptCardsResponse:
        kept = await self._domain.cards.kept(caller(), wire.page(request.page))
        return wire.write(pb.ListKeptCardsResponse, kept, cards=kept.items)

    # Checkouts.

    async def OpenKeyCheckout(self, request: pb.OpenKeyCheckoutRequest, context: Any) -> pb.Checkout:
        opened = await self._domain.checkouts.open_key(caller(), wire.read(OpenKeyCheckout, request))
        return wire.write(pb.Checkout, opened)

    async def GetCheckout(self, request: pb.GetCheckoutRequest, context: Any) -> pb.Checkout:
        return wire.write(pb.Checkout, await self._domain.checkouts.get(caller(), request.order_id))

    async def UpdateCheckout(self, request: pb.UpdateCheckoutRequest, context: Any) -> pb.Checkout:
        updated = await self._domain.checkouts.update(caller(), wire.read(UpdateCheckout, request))
        return wire.write(pb.Checkout, updated)

    async def DropCheckout(self, request: pb.DropCheckoutRequest, context: Any) -> pb.DropCheckoutResponse:
        await self._domain.checkouts.drop(caller(), wire.read(DropCheckout, request))
        return pb.DropCheckoutResponse()

    async def TakeSnapshot(self, request: pb.TakeSnapshotRequest, context: Any) -> pb.Snapshot:
        taken = await self._domain.checkouts.take_snapshot(caller(), wire.read(TakeSnapshot, request))
        return wire.write(pb.Snapshot, taken)

    # Placing an order.

    async def BeginPlacing(self, request: pb.BeginPlacingRequest, context: Any) -> pb.Placing:
        return wire.write(pb.Placing, await self._domain.placings.begin(caller(), wire.read(BeginPlacing, request)))

    async def ConfirmOrder(self, request: pb.ConfirmOrderRequest, context: Any) -> pb.Order:
        return wire.write(pb.Order, await self._domain.placings.confirm(caller(), wire.read(ConfirmOrder, request)))

    async def AbandonPlacing(self, request: pb.AbandonPlacingRequest, context: Any) -> pb.Order:
        return wire.write(pb.Order, await self._domain.placings.abandon(caller(), wire.read(AbandonPlacing, request)))

    # Payments.

    async def Authorise(self, request: pb.AuthoriseRequest, context: Any) -> pb.PaymentView:
        return wire.write(
            pb.PaymentView, await self._domain.payments.authorise(caller(), wire.read(Authorise, request))
        )

    async def EnsureAuthorised(self, request: pb.EnsureAuthorisedRequest, context: Any) -> pb.PaymentView:
        ensured = await self._domain.payments.ensure_authorised(caller(), wire.read(EnsureAuthorised, request))
        return wire.write(pb.PaymentView, ensured)

    async def CapturePayment(self, request: pb.CapturePaymentRequest, context: Any) -> pb.PaymentView:
        return wire.write(
            pb.PaymentView, await self._domain.payments.capture(caller(), wire.read(CapturePayment, request))
        )

    async def PayerReturned(self, request: pb.PayerReturnedRequest, context: Any) -> pb.PaymentView:
        returned = await self._domain.payments.payer_returned(caller(), wire.read(PayerReturned, request))
        return wire.write(pb.PaymentView, returned)

    async def ChangeMeans(self, request: pb.ChangeMeansRequest, context: Any) -> pb.PaymentView:
        changed = await self._domain.payments.change_means(caller(), wire.read(ChangeMeans, request))
        return wire.write(pb.PaymentView, changed)

    async def ReceiveWebhook(self, request: pb.ReceiveWebhookRequest, context: Any) -> common_pb2.WebhookReceipt:
        sent = request.webhook
        taken = await self._domain.webhooks.receive(caller(), sent.partner, dict(sent.headers), sent.body)
        return wire.write(common_pb2.WebhookReceipt, taken)

    # Orders.

    async def GetOrder(self, request: pb.GetOrderRequest, context: Any) -> pb.Order:
        return wire.write(pb.Order, await self._domain.orders.get(caller(), request.order_id))

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        listed = await self._domain.orders.listed(caller(), wire.page(request.page))
        return wire.write(pb.ListOrdersResponse, listed, orders=listed.items)

    async def MarkOrder(self, request: pb.MarkOrderRequest, context: Any) -> pb.Order:
        return wire.write(pb.Order, await self._domain.orders.mark(caller(), wire.read(MarkOrder, request)))

    async def PromiseDispatch(self, request: pb.PromiseDispatchRequest, context: Any) -> pb.Order:
        promised = await self._domain.orders.promise_dispatch(caller(), wire.read(PromiseDispatch, request))
        return wire.write(pb.Order, promised)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Any) -> pb.Order:
        return wire.write(pb.Order, await self._domain.orders.cancel(caller(), wire.read(CancelOrder, request)))

    # Invoices.

    async def IssueInvoice(self, request: pb.IssueInvoiceRequest, context: Any) -> pb.Invoice:
        return wire.write(pb.Invoice, await self._domain.invoices.issue(caller(), wire.read(IssueInvoice, request)))

    async def ReviewInvoice(self, request: pb.ReviewInvoiceRequest, context: Any) -> pb.Invoice:
        return wire.write(pb.Invoice, await self._domain.invoices.review(request.invoice_id))

    async def ChargeLateInvoice(self, request: pb.ChargeLateInvoiceRequest, context: Any) -> pb.Invoice:
        charged = await self._domain.invoices.charge_late(caller(), wire.read(ChargeLateInvoice, request))
        return wire.write(pb.Invoice, charged)

    async def RecordAction(self, request: pb.RecordActionRequest, context: Any) -> pb.RecordActionResponse:
        recorded = await self._domain.invoices.record_action(caller(), wire.read(RecordAction, request))
        return wire.write(pb.RecordActionResponse, recorded)

    # For whoever compares books.

    async def ListBooks(self, request: pb.ListBooksRequest, context: Any) -> pb.ListBooksResponse:
        listed = await self._domain.books.listed(wire.page(request.page))
        return wire.write(pb.ListBooksResponse, listed)
