"""Partners' webhooks: handed on as they came, to the service that owns the case and checks the signature (SK-51)."""

from __future__ import annotations

from google.protobuf.descriptor import MethodDescriptor
from starlette.requests import Request
from starlette.responses import Response

from ruum.common.v1 import common_pb2
from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.chassis.errors import NotFound
from services.gateway.asking import body_of
from services.gateway.clients import Services

PATH = "/webhooks/{partner}"
LARGEST = 256 * 1024
_SIGNED_BY = ("webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature")
_STORE = store_pb2.DESCRIPTOR.services_by_name["StoreService"].methods_by_name["ReceiveWebhook"]
_SPAREKEY = sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"].methods_by_name["ReceiveWebhook"]
OWNERS: dict[str, MethodDescriptor] = {
    "card": _STORE,
    "deferred": _STORE,
    "epos": _STORE,
    "maker": _SPAREKEY,
    "post": _SPAREKEY,
    "carrier": _SPAREKEY,
}


class Webhooks:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def receive(self, request: Request) -> Response:
        """204 when the owning service has taken the message, also when it had it before.

        Raises:
            NotFound: no partner is called so.
            RuumError: why the service did not take it.
        """
        partner = request.path_params["partner"]
        rpc = OWNERS.get(partner)
        if rpc is None:
            raise NotFound
        webhook = common_pb2.Webhook(
            partner=partner,
            headers={name: request.headers[name] for name in _SIGNED_BY if name in request.headers},
            body=await body_of(request, LARGEST),
        )
        owner = store_pb2.ReceiveWebhookRequest if rpc is _STORE else sparekey_pb2.ReceiveWebhookRequest
        await self._services.call(rpc, owner(webhook=webhook))
        return Response(status_code=204)
