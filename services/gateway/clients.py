"""One channel a service, and each method found by its contract's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.chassis.errors import Kind, RemoteError, RuumError
from services.gateway.breaker import Breaker
from services.gateway.problems import SessionOver

QUESTION_PATIENCE = 5.0
COMMAND_PATIENCE = 15.0
"""Seconds: more than a repeat waits for the first of the same request (PR-10)."""

Call = Callable[..., Awaitable[Message]]


class Services:
    """Calls methods of the contracts; keeps a callable of each.

    Args:
        channels: by the service's name: `points`.
    """

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels
        self.breakers = {name: Breaker(name, COMMAND_PATIENCE) for name in channels}
        self._calls: dict[MethodDescriptor, Call] = {}

    async def call(self, rpc: MethodDescriptor, request: Message, token: str = "") -> Message:
        """Asks the service that owns the method, as the one whom the token names; as the gateway without one.

        Raises:
            RuumError: what the service answered, by its name.
            SessionOver: that the session has ended, which to those who sign in is no refusal: they sign in again.
            Missing: it cannot be reached.
            TooLate: it did not answer a command in time, which may have been carried out.
        """
        breaker = self.breakers[service_of(rpc)]
        breaker.admit()
        try:
            answer = await self._method(rpc)(
                request,
                metadata=(("authorization", f"Bearer {token}"),) if token else None,
                timeout=COMMAND_PATIENCE if is_command(rpc) else QUESTION_PATIENCE,
            )
        except RuumError as failure:
            if _answered(failure):
                breaker.succeeded()
                raise (SessionOver() if failure.code == SessionOver.code else failure) from None
            breaker.failed()
            if failure.kind is Kind.TOO_LATE and is_command(rpc):
                raise
            raise breaker.missing() from failure
        breaker.succeeded()
        return answer

    def _method(self, rpc: MethodDescriptor) -> Call:
        known = self._calls.get(rpc)
        if known is None:
            answer: Any = GetMessageClass(rpc.output_type)
            known = self._channels[service_of(rpc)].unary_unary(
                f"/{rpc.containing_service.full_name}/{rpc.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            self._calls[rpc] = known
        return known


def _answered(failure: RuumError) -> bool:
    """Whether the service is there; that it in turn misses another is an answer, that its time ran out is none."""
    return failure.kind not in {Kind.UNAVAILABLE, Kind.TOO_LATE} or (
        failure.kind is Kind.UNAVAILABLE and isinstance(failure, RemoteError)
    )


def service_of(rpc: MethodDescriptor) -> str:
    """The service that owns the method: `points`."""
    return str(rpc.full_name.split(".")[1])


def is_command(rpc: MethodDescriptor) -> bool:
    """Whether it changes something once, however often it is asked (PR-10)."""
    return "request_id" in rpc.input_type.fields_by_name
