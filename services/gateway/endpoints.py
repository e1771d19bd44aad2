"""An endpoint of the JSON API: one method of one contract, and how HTTP says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

Verb = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]

FROM_ELSEWHERE = {"request_id", "client", "as_of"}
"""Fields that a caller does not state in the body: the Idempotency-Key, who they are, and the time."""


@dataclass(frozen=True)
class Endpoint:
    """One operation.

    Attributes:
        verb: of HTTP.
        path: below `/api/v1`, with fields of the request in braces.
        rpc: the contract's method.
        summary: one line for the reader of the API's description.
        signed_in: whether a member must be signed in.
        hidden: fields of the request that the gateway fills and the caller does not see.
    """

    verb: Verb
    path: str
    rpc: MethodDescriptor
    summary: str
    signed_in: bool = True

    @property
    def audience(self) -> str:
        """The service that answers."""
        return str(self.rpc.containing_service.full_name.split(".")[1])

    @property
    def request(self) -> Descriptor:
        return self.rpc.input_type

    @property
    def is_command(self) -> bool:
        """Whether it changes something: then it needs an Idempotency-Key (PR-10)."""
        return "request_id" in self.request.fields_by_name

    @property
    def in_path(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def in_query(self) -> Sequence[FieldDescriptor]:
        """Fields of a question, where there is no body to hold them; a page's cursor and size among them."""
        if self.verb != "GET":
            return ()
        rest = [field for field in self.request.fields if field.name not in {*self.in_path, *FROM_ELSEWHERE}]
        pages = [list(field.message_type.fields) for field in rest if field.message_type and is_page(field)]
        return [*(field for field in rest if not is_page(field)), *chain.from_iterable(pages)]

    @property
    def in_body(self) -> set[str]:
        if self.verb == "GET":
            return set()
        return set(self.request.fields_by_name) - {*self.in_path, *FROM_ELSEWHERE}


def is_page(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "ruum.common.v1.Page"


@dataclass(frozen=True)
class Group:
    """The endpoints of one service, under one tag."""

    tag: str
    service: ServiceDescriptor

    def at(self, verb: Verb, path: str, rpc: str, summary: str, *, signed_in: bool = True) -> Endpoint:
        return Endpoint(verb, path, self.service.methods_by_name[rpc], summary, signed_in)
