"""The door of every service: what holds for each call, whichever method it asks for (PR-05, PR-10…PR-12, ID-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from structlog.contextvars import bind_contextvars, bound_contextvars

from ruum.common.v1 import common_pb2
from services.chassis import failures
from services.chassis.caller import Caller, KeyRing
from services.chassis.errors import (
    AsOfNotAllowed,
    CallerUnknown,
    Defect,
    InvalidField,
    NotAllowed,
    RuumError,
    TooLate,
    Violation,
)
from services.chassis.telemetry import Telemetry

_log = structlog.get_logger()

LONGEST_CALL = 30.0
"""Seconds: what a call may take when its caller sets no limit of its own."""

_caller: ContextVar[Caller] = ContextVar("caller")
_OPEN_TO_ALL = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
)

Behaviour = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]


def caller() -> Caller:
    """Who asks in the call that is being answered."""
    return _caller.get()


@dataclass(frozen=True)
class Method:
    """What the contract says of a method.

    Attributes:
        name: as gRPC writes it: `/ruum.points.v1.PointsService/Hold`.
        callers: who may call it.
        states_time: whether its request has an `as_of`.
    """

    name: str
    callers: tuple[str, ...]
    states_time: bool

    @classmethod
    def of(cls, method: MethodDescriptor) -> Method:
        """Reads the contract.

        Raises:
            ValueError: the method lists no callers: it must not be served.
        """
        callers = tuple(method.GetOptions().Extensions[common_pb2.callers])
        if not callers:
            raise ValueError(f"{method.full_name} names nobody who may call it")
        name = f"/{method.containing_service.full_name}/{method.name}"
        return cls(name, callers, "as_of" in method.input_type.fields_by_name)


class Door(grpc.aio.ServerInterceptor):
    """Lets a call in when its caller, its time and its fields are in order; answers failures by their names."""

    def __init__(self, audience: str, keys: KeyRing, telemetry: Telemetry, services: list[ServiceDescriptor]) -> None:
        self._audience = audience
        self._keys = keys
        self._telemetry = telemetry
        methods = [Method.of(method) for service in services for method in service.methods]
        self._methods = {method.name: method for method in methods}
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        known = self._wrapped.get(details.method)
        if known is not None:
            return known
        handler = await continuation(details)
        if handler is None or details.method.split("/")[1] in _OPEN_TO_ALL:
            return handler
        wrapped = grpc.unary_unary_rpc_method_handler(
            self._guarded(self._methods[details.method], handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        self._wrapped[details.method] = wrapped
        return wrapped

    def _guarded(self, method: Method, answer: Behaviour) -> Behaviour:
        async def guarded(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            with bound_contextvars(rpc=method.name), self._telemetry.handling(method.name) as outcome:
                try:
                    self._let_in(method, request, context)
                    async with asyncio.timeout(min(context.time_remaining() or LONGEST_CALL, LONGEST_CALL)):
                        return await answer(request, context)
                except Exception as failure:  # noqa: BLE001  # the last place where a failure gets its name
                    named = _named(failure)
                    outcome.code = named.row.grpc
                code, details = failures.status(named)
                return await context.abort(code, named.code, failures.metadata(details))

        return guarded

    def _let_in(self, method: Method, request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        metadata = dict(context.invocation_metadata() or ())
        token = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        if not token:
            raise CallerUnknown
        who = self._keys.caller(token, self._audience)
        if not who.is_one_of(method.callers):
            raise NotAllowed
        _caller.set(who)
        bind_contextvars(caller=who.role, request_id=str(metadata.get("x-request-id", "")))
        if method.states_time and request.HasField("as_of") and who.name != "worker":
            raise AsOfNotAllowed(field="as_of")
        violations = protovalidate.collect_violations(request)
        if violations:
            raise InvalidField(violations=[_violation(violation) for violation in violations])


def _violation(found: protovalidate.Violation) -> Violation:
    elements = found.proto.field.elements if found.proto.field else []
    path = ".".join(element.field_name for element in elements)
    return Violation(path, f"field-{(found.proto.rule_id or 'invalid').replace('.', '-').replace('_', '-')}", {})


def _named(failure: Exception) -> RuumError:
    if isinstance(failure, RuumError):
        if failure.row.http >= 500:  # noqa: PLR2004  # server errors of the table
            _log.warning("call failed", code=failure.code)
        return failure
    if isinstance(failure, TimeoutError):
        return TooLate()
    _log.error("defect", exc_info=failure)
    return Defect()
