"""Payments over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.intents.domain import Intents
from services.store.payments.domain import (
    Authorise,
    CapturePayment,
    ChangeMeans,
    EnsureAuthorised,
    PayerReturned,
    Payments,
)
from services.store.payments.models import PaymentView
from services.store.servicer import Context, as_of, number, stamp, word


class PaymentsServicer:
    payments: Payments
    intents: Intents

    async def Authorise(self, request: store_pb2.AuthoriseRequest, context: Context) -> store_pb2.PaymentView:
        asked = Authorise(
            request_id=request.request_id, as_of=as_of(request), order_id=request.order_id, attempt=request.attempt
        )
        return payment(await self.payments.authorise(caller(), asked))

    async def EnsureAuthorised(
        self, request: store_pb2.EnsureAuthorisedRequest, context: Context
    ) -> store_pb2.PaymentView:
        asked = EnsureAuthorised(request_id=request.request_id, as_of=as_of(request), order_id=request.order_id)
        return payment(await self.payments.ensure_authorised(caller(), asked))

    async def CapturePayment(self, request: store_pb2.CapturePaymentRequest, context: Context) -> store_pb2.PaymentView:
        asked = CapturePayment(request_id=request.request_id, as_of=as_of(request), order_id=request.order_id)
        return payment(await self.payments.capture(caller(), asked))

    async def PayerReturned(self, request: store_pb2.PayerReturnedRequest, context: Context) -> store_pb2.PaymentView:
        asked = PayerReturned(request_id=request.request_id, order_id=request.order_id)
        return payment(await self.payments.payer_returned(caller(), asked))

    async def ChangeMeans(self, request: store_pb2.ChangeMeansRequest, context: Context) -> store_pb2.PaymentView:
        asked = ChangeMeans(
            request_id=request.request_id,
            order_id=request.order_id,
            means=word(store_pb2.Means, request.means),
            card_id=request.card_id,
        )
        return payment(await self.payments.change_means(caller(), asked))


def payment(view: PaymentView) -> store_pb2.PaymentView:
    return store_pb2.PaymentView(
        payment_id=view.payment_id,
        means=number(store_pb2.Means, view.means),
        state=number(store_pb2.PaymentState, view.state),
        amount=view.amount,
        decline_code=view.decline_code,
        redirect_url=view.redirect_url,
        action_until=stamp(view.action_until),
        authorised_until=stamp(view.authorised_until),
    )
