"""An endpoint of the JSON API: one method of one contract, and how HTTP says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from services.gateway.clients import service_of

Verb = Literal["GET", "POST", "PATCH", "DELETE"]

FROM_ELSEWHERE = {"request_id", "client", "member_id", "room_ids", "as_of"}
"""Fields that a caller does not state: the Idempotency-Key, whence and as whom they ask, their rooms, and the time."""


@dataclass(frozen=True)
class Endpoint:
    """One operation.

    Attributes:
        verb: of HTTP.
        path: below `/api/v1`, with fields of the request in braces.
        rpc: the contract's method.
        summary: one line for the reader of the API's description.
        signed_in: whether a member must be signed in.
    """

    verb: Verb
    path: str
    rpc: MethodDescriptor
    summary: str
    signed_in: bool = True

    @cached_property
    def audience(self) -> str:
        """The service that answers."""
        return service_of(self.rpc)

    @cached_property
    def request(self) -> Descriptor:
        return self.rpc.input_type

    @cached_property
    def of_own_rooms(self) -> bool:
        """Whether it is asked about all rooms of the asker, whom nobody believes which those are."""
        return "room_ids" in self.request.fields_by_name

    @cached_property
    def in_path(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def in_query(self) -> Mapping[str, FieldDescriptor]:
        """Fields of a question, where there is no body to hold them; a page's cursor and size among them."""
        return {field.name: field for field in self._asked() if self.verb == "GET"}

    @cached_property
    def in_body(self) -> frozenset[str]:
        """Fields that a command's body may hold."""
        if self.verb == "GET":
            return frozenset()
        return frozenset(self.request.fields_by_name) - {*self.in_path, *FROM_ELSEWHERE}

    @cached_property
    def page(self) -> str:
        """The field that holds a list's page; empty where nothing is listed."""
        return next((field.name for field in self.request.fields if is_page(field)), "")

    @cached_property
    def edits(self) -> bool:
        """Whether it changes a thing that must not have changed meanwhile."""
        return "version" in self.request.fields_by_name

    @cached_property
    def answers_version(self) -> bool:
        return "version" in self.rpc.output_type.fields_by_name

    @cached_property
    def opens_session(self) -> bool:
        """Whether its answer may be a new session, which a browser keeps in a cookie."""
        answer = self.rpc.output_type
        answers = [answer, *(field.message_type for field in answer.fields if field.message_type is not None)]
        return any("session_token" in each.fields_by_name for each in answers)

    @cached_property
    def ends_session(self) -> bool:
        return self.rpc.name in {"SignOut", "EndSession"}

    def _asked(self) -> Iterator[FieldDescriptor]:
        for field in self.request.fields:
            if field.name == self.page and field.message_type is not None:
                yield from field.message_type.fields
            elif field.name not in {*self.in_path, *FROM_ELSEWHERE}:
                yield field


def is_page(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "ruum.common.v1.Page"


@dataclass(frozen=True)
class Group:
    """The endpoints of one service, under one tag."""

    tag: str
    service: ServiceDescriptor

    def at(self, verb: Verb, path: str, rpc: str, summary: str, *, signed_in: bool = True) -> Endpoint:
        return Endpoint(verb, path, self.service.methods_by_name[rpc], summary, signed_in)
