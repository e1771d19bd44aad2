"""Partners' webhooks over gRPC: decode, ask, encode."""

from __future__ import annotations

from ruum.common.v1 import common_pb2
from ruum.store.v1 import store_pb2
from services.chassis.door import caller
from services.store.servicer import Context
from services.store.webhooks.domain import Webhooks


class WebhooksServicer:
    webhooks: Webhooks

    async def ReceiveWebhook(
        self, request: store_pb2.ReceiveWebhookRequest, context: Context
    ) -> common_pb2.WebhookReceipt:
        sent = request.webhook
        taken = await self.webhooks.receive(caller(), sent.partner, dict(sent.headers), sent.body)
        return common_pb2.WebhookReceipt(seen_before=taken.seen_before)
