"""The rules of a contract's field, in the words of JSON Schema (PO-01)."""

from __future__ import annotations

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor


def constraints(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def is_asked(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused."""
    rules = constraints(field)
    if field.has_presence and not rules.required:
        return False
    if rules.required or rules.string.min_len or rules.string.len or rules.repeated.min_items:
        return True
    if rules.string.HasField("pattern"):
        return not rules.string.pattern.endswith(")?$")
    return 0 in rules.enum.not_in or bool(getattr(rules.string, "in"))


def of_field(field: FieldDescriptor) -> dict[str, Any]:
    """What a list keeps; what one value keeps stands in `of_value`."""
    items = constraints(field).repeated
    said = {"minItems": items.min_items, "maxItems": items.max_items, "uniqueItems": items.unique}
    return {name: value for name, value in said.items() if value}


def of_value(field: FieldDescriptor) -> dict[str, Any]:
    """What each value keeps, of a field that holds one or many."""
    rules = constraints(field).repeated.items if field.is_repeated else constraints(field)
    text = rules.string
    said = {
        "minLength": text.min_len or text.len,
        "maxLength": text.max_len or text.len,
        "pattern": text.pattern,
        "enum": list(getattr(text, "in")),
    }
    return {name: value for name, value in said.items() if value} | _bounds(rules.int32) | _bounds(rules.int64)


def _bounds(rules: validate_pb2.Int32Rules | validate_pb2.Int64Rules) -> dict[str, int]:
    least = rules.gte if rules.HasField("gte") else rules.gt + 1 if rules.HasField("gt") else None
    most = rules.lte if rules.HasField("lte") else rules.lt - 1 if rules.HasField("lt") else None
    return {name: bound for name, bound in (("minimum", least), ("maximum", most)) if bound is not None}
