"""Contracts of a test's own: written as protobuf, served and called without generated code."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.chassis import protos
from services.chassis.caller import KeyRing
from tests.support.contexts import Served, served

Behaviour = Callable[[Any, Any], Awaitable[Any]]


def contract(source: str) -> FileDescriptor:
    """Compiles messages and services; what every contract imports is imported."""
    name = f"ruum_test_{uuid.uuid4().hex}"
    head = f'syntax = "proto3"; package {name}.v1;' + "".join(
        f'import "{needed}";'
        for needed in (
            "buf/validate/validate.proto",
            "google/protobuf/timestamp.proto",
            "ruum/common/v1/common.proto",
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.proto").write_text(head + source)
        rules, compiled = protos._validation_rules(Path(folder)), Path(folder) / "compiled"
        found_in = (f"-I{folder}", f"-I{protos.ROOT}", f"--descriptor_set_in={rules}")
        protos._run(*found_in, f"--descriptor_set_out={compiled}", f"{name}.proto")
        [file] = FileDescriptorSet.FromString(compiled.read_bytes()).file
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(f"{name}.proto")


def add(service: ServiceDescriptor, behaviours: Mapping[str, Behaviour]) -> Callable[[Any], None]:
    """What adds these methods to a server."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        method.name: grpc.unary_unary_rpc_method_handler(
            behaviours[method.name],
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
        for method in service.methods
        if method.name in behaviours
    }
    return lambda server: server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service.full_name, handlers)]
    )


class Stub:
    """Calls methods by their names: `await stub("Put", request, metadata=…)`."""

    def __init__(self, channel: grpc.aio.Channel, service: ServiceDescriptor) -> None:
        self._service = service
        self._methods: dict[str, Callable[..., Any]] = {
            method.name: channel.unary_unary(
                f"/{service.full_name}/{method.name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            for method in service.methods
        }

    def __call__(self, method: str, request: Message | None = None, **options: Any) -> Any:
        nothing = GetMessageClass(self._service.methods_by_name[method].input_type)()
        return self._methods[method](nothing if request is None else request, **options)


@asynccontextmanager
async def serving(
    name: str, keys: KeyRing, service: ServiceDescriptor, behaviours: Mapping[str, Behaviour]
) -> AsyncIterator[tuple[Served, Stub]]:
    """Serves one service; its stub uses a channel that adds no token."""
    async with served(name, keys, [service], add(service, behaviours)) as running:
        yield running, Stub(running.channel, service)
