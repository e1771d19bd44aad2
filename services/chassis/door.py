"""The door of every service: what holds for each call, whichever method it asks for (PR-05, PR-10…PR-12, ID-15)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from structlog.contextvars import bind_contextvars

from ruum.common.v1 import common_pb2
from services.chassis import failures
from services.chassis.caller import Caller, KeyRing
from services.chassis.errors import (
    AsOfNotAllowed,
    Defect,
    InvalidField,
    NotAllowed,
    RuumError,
    TooLate,
    Violation,
)
from services.chassis.ids import new_id
from services.chassis.telemetry import Telemetry

_log = structlog.get_logger()

LONGEST_CALL = 30.0
"""Seconds: what a call may take, whatever its caller allows."""

# No instant of ours lies outside: what does cannot be counted with.
_FIRST_INSTANT = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_LAST_INSTANT = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())

_caller: ContextVar[Caller] = ContextVar("caller")
_ends: ContextVar[float] = ContextVar("ends")
_OPEN_TO_ALL = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")

Behaviour = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]


def caller() -> Caller:
    """Who asks in the call that is being answered."""
    return _caller.get()


def time_left() -> float | None:
    """Seconds until the call that is being answered is over; nothing where none is."""
    ends = _ends.get(None)
    return None if ends is None else ends - asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Method:
    """What the contract says of a method.

    Attributes:
        name: as gRPC writes it: `/ruum.points.v1.PointsService/Hold`.
        callers: who may call it.
        instants: the fields of its request that are instants.
    """

    name: str
    callers: tuple[str, ...]
    instants: tuple[str, ...]

    @classmethod
    def of(cls, method: MethodDescriptor) -> Method:
        """Reads the contract.

        Raises:
            ValueError: the method lists no callers, or streams: it must not be served.
            protovalidate.CompilationError: the rules of its fields make no sense.
        """
        callers = tuple(method.GetOptions().Extensions[common_pb2.callers])
        if not callers:
            raise ValueError(f"{method.full_name} names nobody who may call it")
        if method.client_streaming or method.server_streaming:
            raise ValueError(f"{method.full_name} streams: the door guards single questions")
        protovalidate.collect_violations(GetMessageClass(method.input_type)())
        return cls(
            f"/{method.containing_service.full_name}/{method.name}", callers, tuple(_instants(method.input_type))
        )


class Door(grpc.aio.ServerInterceptor):
    """Lets a call in when its caller, its time and its fields are in order; answers failures by their names."""

    def __init__(self, audience: str, keys: KeyRing, telemetry: Telemetry, services: list[ServiceDescriptor]) -> None:
        self._audience = audience
        self._keys = keys
        self._telemetry = telemetry
        methods = [Method.of(method) for service in services for method in service.methods]
        self._methods = {method.name: method for method in methods}
        self._guarded: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        guarded = self._guarded.get(details.method)
        if guarded is not None:
            return guarded
        handler = await continuation(details)
        if handler is None or details.method.split("/")[1] in _OPEN_TO_ALL:
            return handler
        guarded = grpc.unary_unary_rpc_method_handler(
            self._guard(self._methods[details.method], handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        self._guarded[details.method] = guarded
        return guarded

    def _guard(self, method: Method, answer: Behaviour) -> Behaviour:
        async def guarded(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            limit = asyncio.timeout(LONGEST_CALL)  # the caller's own, where it is shorter, is kept by gRPC
            allowed = context.time_remaining()
            longest = LONGEST_CALL if allowed is None else min(LONGEST_CALL, allowed)
            _ends.set(asyncio.get_running_loop().time() + longest)
            with self._telemetry.handling(method.name) as outcome:
                try:
                    self._let_in(method, request, context)
                    async with limit:
                        return await answer(request, context)
                except Exception as failure:  # noqa: BLE001  # the last place where a failure gets its name
                    named = TooLate() if limit.expired() else _named(failure)
                    outcome.code = named.row.grpc
                code, details = failures.status(named)
                return await context.abort(code, named.code, details)

        return guarded

    def _let_in(self, method: Method, request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        metadata = dict(context.invocation_metadata() or ())
        # The context is this call's own: what is bound here ends with it.
        bind_contextvars(rpc=method.name, request_id=str(metadata.get("x-request-id") or new_id("req")))
        who = self._keys.caller(str(metadata.get("authorization", "")).removeprefix("Bearer "), self._audience)
        if not who.is_one_of(method.callers):
            raise NotAllowed
        _caller.set(who)
        bind_contextvars(caller=who.role)
        if "as_of" in method.instants and request.HasField("as_of") and not who.is_one_of(["worker"]):
            raise AsOfNotAllowed(field="as_of")
        violations = [_violation(violation) for violation in protovalidate.collect_violations(request)]
        violations += [Violation(field, "field-invalid", {}) for field in _unusable(method, request)]
        if violations:
            raise InvalidField(violations=violations)


def _violation(found: protovalidate.Violation) -> Violation:
    code = (found.proto.rule_id or "invalid").replace(".", "-").replace("_", "-")
    return Violation(".".join(_path(found)), f"field-{code}", {})


def _path(found: protovalidate.Violation) -> Iterator[str]:
    for element in found.proto.field.elements if found.proto.field else ():
        place = element.subscript
        yield element.field_name + (f"[{place.value}]" if place and place.field == "index" else "")


def _instants(message: Descriptor) -> Iterator[str]:
    for field in message.fields:
        if field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            yield field.name


def _unusable(method: Method, request: Message) -> Iterator[str]:
    """The fields that keep every rule of the contract and still cannot be counted with or stored."""
    for name in method.instants:
        if request.HasField(name) and not _FIRST_INSTANT <= getattr(request, name).seconds < _LAST_INSTANT:
            yield name
            return
    if b"\0" in request.SerializeToString():
        yield from _with_nul(MessageToDict(request, preserving_proto_field_name=True))


def _with_nul(value: Any, path: str = "") -> Iterator[str]:
    """Where a text has a NUL, which PostgreSQL does not take."""
    if isinstance(value, str) and "\0" in value:
        yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _with_nul(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _with_nul(name, path)
            yield from _with_nul(item, f"{path}.{name}".removeprefix("."))


def _named(failure: Exception) -> RuumError:
    if isinstance(failure, RuumError):
        if failure.row.http >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.warning("call failed", code=failure.code)
        return failure
    _log.error("defect", exc_info=failure)
    return Defect()
