"""Services that answer as a test tells them, behind the real door of the chassis: real gRPC, real tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from deploy.local.ports import LOOPBACK, free_port
from ruum.identity.v1 import identity_pb2
from ruum.points.v1 import points_pb2
from ruum.rooms.v1 import rooms_pb2
from ruum.sparekey.v1 import sparekey_pb2
from ruum.store.v1 import store_pb2
from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.door import caller
from services.chassis.errors import Kind, RemoteError, RuumError
from services.chassis.ids import new_id
from services.chassis.rpc import Server
from tests.support.callers import Keys

CONTRACTS: dict[str, ServiceDescriptor] = {
    "identity": identity_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    "rooms": rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"],
    "store": store_pb2.DESCRIPTOR.services_by_name["StoreService"],
    "points": points_pb2.DESCRIPTOR.services_by_name["PointsService"],
    "sparekey": sparekey_pb2.DESCRIPTOR.services_by_name["SparekeyService"],
}
Answer = Message | RuumError | Callable[[Any], Awaitable[Message]]


class Fake:
    """One service.

    Attributes:
        answers: by method, where something else is to be answered than a message with something in every field.
        asked: what came in: method, request and caller.
    """

    def __init__(self, name: str, keys: Keys, clock: Clock) -> None:
        self.name = name
        self.port = free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any, Caller]] = []
        self._ring = keys.ring(clock)
        self._server: Server | None = None

    async def start(self) -> None:
        contract = CONTRACTS[self.name]
        self._server = Server(self.name, self.address, self._ring, [contract])
        handlers = {method.name: self._handler(method) for method in contract.methods}
        generic = grpc.method_handlers_generic_handler(contract.full_name, handlers)
        self._server.grpc.add_generic_rpc_handlers((generic,))
        await self._server.grpc.start()
        await self._server.health.set("", 1)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.grpc.stop(None)
            self._server = None

    def forget(self) -> None:
        """As at the beginning."""
        self.answers.clear()
        self.asked.clear()

    def _handler(self, method: MethodDescriptor) -> Any:
        async def answer(request: Any, _context: Any) -> Message:
            self.asked.append((method.name, request, caller()))
            told = self.answers.get(method.name)
            if isinstance(told, RuumError):
                raise told
            if isinstance(told, Message):
                return told
            return await told(request) if told is not None else filled(method.output_type)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


class Members:
    """Identity's part that every request needs: sessions, and the tokens that they are changed for."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._signer = keys.signer("identity", clock)
        self._sessions: dict[str, Caller] = {}

    def sign_in(self, member_id: str = "") -> str:
        """A session's token."""
        token = new_id("test") + "-session"
        self._sessions[token] = Caller("member", member_id or new_id("mem"), new_id("ses"))
        return token

    def who(self, session: str) -> Caller:
        return self._sessions[session]

    def end(self, session: str) -> None:
        del self._sessions[session]

    async def issue(self, asked: Any) -> Message:
        who = self._sessions.get(asked.session_token)
        if who is None:
            raise RemoteError(Kind.REFUSED, "session-over")
        token, until = self._signer.sign(who, asked.audience)
        answer = identity_pb2.AccessToken(token=token, member_id=who.name, session_id=who.session, language="ja")
        answer.expires_at.FromDatetime(until)
        return answer


def never(_request: Any) -> Awaitable[Message]:
    """An answer that does not come."""
    return asyncio.get_running_loop().create_future()


def filled(kind: Descriptor) -> Message:
    """A message with something in every field."""
    message: Any = GetMessageClass(kind)()
    if kind.full_name == "google.protobuf.Timestamp":
        message.FromDatetime(datetime(2026, 5, 31, 15, tzinfo=UTC))
    elif kind.full_name == "ruum.common.v1.Day":
        message.iso = "2026-05-31"
    else:
        for field in kind.fields:
            _fill(message, field)
    return message  # type: ignore[no-any-return]  # a generated class


def _fill(message: Any, field: FieldDescriptor) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)["key"] = "value"
    elif field.is_repeated:
        getattr(message, field.name).append(_one(field))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_one(field))
    else:
        setattr(message, field.name, _one(field))


def _one(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return filled(field.message_type)
    if field.enum_type is not None:
        return 1
    if field.name.endswith("_token"):
        return "a-token-of-a-test"
    if field.name == "room_id":
        return new_id("room")
    return {FieldDescriptor.TYPE_STRING: "見本", FieldDescriptor.TYPE_BOOL: True}.get(field.type, 7)
