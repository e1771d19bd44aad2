"""The rules of a contract's field, in the words of JSON Schema (PO-01)."""

from __future__ import annotations

from functools import cache
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.gateway.bridge.messages import kind_of


def constraints(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def is_asked(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused for that."""
    return field.containing_type is not None and field.name in _asked(field.containing_type)


@cache
def _asked(message: Descriptor) -> frozenset[str]:
    """Of which fields the absence breaks a rule: the validator itself says so of a message in which nothing is set."""
    broken = protovalidate.collect_violations(GetMessageClass(message)())
    return frozenset(it.proto.field.elements[0].field_name for it in broken if it.proto.field)


def of_field(field: FieldDescriptor) -> dict[str, Any]:
    """What a list keeps; what one value keeps stands in `of_value`."""
    items = constraints(field).repeated
    said = {
        "minItems": items.min_items or int(is_asked(field)),
        "maxItems": items.max_items,
        "uniqueItems": items.unique,
    }
    return {name: value for name, value in said.items() if value}


def of_value(field: FieldDescriptor) -> dict[str, Any]:
    """What each value keeps, of a field that holds one or many."""
    rules = constraints(field).repeated.items if field.is_repeated else constraints(field)
    text = rules.string
    said = {
        "minLength": text.min_len or text.len or int(rules.required and kind_of(field) == "string"),
        "maxLength": text.max_len or text.len,
        "pattern": text.pattern,
        "enum": list(getattr(text, "in")),
    }
    return {name: value for name, value in said.items() if value} | _bounds(rules.int32) | _bounds(rules.int64)


def _bounds(rules: validate_pb2.Int32Rules | validate_pb2.Int64Rules) -> dict[str, int]:
    least = rules.gte if rules.HasField("gte") else rules.gt + 1 if rules.HasField("gt") else None
    most = rules.lte if rules.HasField("lte") else rules.lt - 1 if rules.HasField("lt") else None
    return {name: bound for name, bound in (("minimum", least), ("maximum", most)) if bound is not None}
