"""One channel a service, and each method found by its contract's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Call = Callable[..., Awaitable[Message]]


class Services:
    """Calls methods of the contracts; keeps a callable of each."""

    def __init__(self, channels: dict[str, grpc.aio.Channel]) -> None:
        self._channels = channels
        self._calls: dict[str, Call] = {}

    async def call(self, rpc: MethodDescriptor, request: Message, token: str, request_id: str) -> Message:
        """Asks the service that owns the method, as the one whom the token names; as the gateway without one.

        Raises:
            RuumError: what the service answered, by its name.
        """
        metadata = [("x-request-id", request_id)] if request_id else []
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        return await self._method(rpc)(request, metadata=metadata)

    def _method(self, rpc: MethodDescriptor) -> Call:
        known = self._calls.get(rpc.full_name)
        if known is None:
            service = rpc.containing_service.full_name
            answer: Any = GetMessageClass(rpc.output_type)
            known = self._channels[service.split(".")[1]].unary_unary(
                f"/{service}/{rpc.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            self._calls[rpc.full_name] = known
        return known
