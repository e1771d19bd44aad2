from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.bridge.rules import constraints
from tests.conventions.rules import ROOT


def requests() -> Iterator[Descriptor]:
    for contract in sorted((ROOT / "protos/ruum").glob("*/v1/*.proto")):
        module = import_module(".".join(contract.relative_to(ROOT / "protos").with_suffix("").parts) + "_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from (method.input_type for method in service.methods)


def choices(message: Descriptor) -> Iterator[FieldDescriptor]:
    """The enums of a request, also of its parts."""
    for field in message.fields:
        if field.enum_type is not None:
            yield field
        elif field.message_type is not None:
            yield from choices(field.message_type)


def is_bounded(field: FieldDescriptor) -> bool:
    rules = constraints(field)
    enum = rules.repeated.items.enum if field.is_repeated else rules.enum
    return enum.defined_only or bool(getattr(enum, "in"))


def test_a_choice_that_a_contract_does_not_have_is_refused_at_the_door() -> None:
    found = [field for request in requests() for field in choices(request)]

    assert len(found) > 5
    assert [field.full_name for field in found if not is_bounded(field)] == [], "say `defined_only: true`"
