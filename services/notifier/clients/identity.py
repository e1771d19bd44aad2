"""Contacts and envelopes, from identity, at the moment of writing (OP-11)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from ruum.identity.v1 import identity_pb2 as pb
from services.chassis import wire
from services.chassis.errors import Kind, RuumError
from services.notifier.models import Channel
from services.notifier.ports import Contact, Envelope, NothingToSend

if TYPE_CHECKING:
    # Only the stubs of types know it.
    from ruum.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub

T = TypeVar("T")

_CHANNELS: dict[pb.Channel.ValueType, Channel] = {pb.CHANNEL_EMAIL: "mail", pb.CHANNEL_SMS: "sms"}


class IdentityClient:
    def __init__(self, identity: IdentityServiceAsyncStub) -> None:
        self._identity = identity

    async def contact(self, member_id: str) -> Contact:
        return wire.read(Contact, await _there(self._identity.GetContact(pb.GetContactRequest(member_id=member_id))))

    async def open(self, envelope_id: str) -> Envelope:
        found = await _there(self._identity.OpenEnvelope(pb.OpenEnvelopeRequest(envelope_id=envelope_id)))
        return wire.read(Envelope, found, channel=_CHANNELS[found.channel])

    async def close(self, envelope_id: str, request_id: str) -> None:
        closing = pb.CloseEnvelopeRequest(request_id=request_id, envelope_id=envelope_id)
        try:
            await _there(self._identity.CloseEnvelope(closing))
        except NothingToSend:
            return  # time or a newer code has destroyed it: as was asked


async def _there(call: Awaitable[T]) -> T:
    try:
        return await call
    except RuumError as failure:
        if failure.kind in {Kind.NOT_FOUND, Kind.REFUSED}:
            raise NothingToSend from failure
        raise
