"""The orderer's own data, from identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruum.identity.v1 import identity_pb2
from services.chassis import wire
from services.store.models import Orderer

if TYPE_CHECKING:
    # Only the stubs of types know it.
    from ruum.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub


class IdentityClient:
    def __init__(self, identity: IdentityServiceAsyncStub) -> None:
        self._identity = identity

    async def orderer(self, member_id: str) -> Orderer:
        found = await self._identity.GetOrderer(identity_pb2.GetOrdererRequest(member_id=member_id))
        return wire.read(Orderer, found)
