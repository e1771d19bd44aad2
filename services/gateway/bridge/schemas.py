"""JSON Schemas of the contracts' messages, with the rules that each field keeps (OpenAPI 3.1, PO-01)."""

from __future__ import annotations

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.bridge.messages import DAY, INSTANT, is_map, kind_of, words

_PLAIN = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
}
_DAY = {"type": "string", "format": "date", "examples": ["2026-05-31"]}
_INSTANT = {"type": "string", "format": "date-time", "examples": ["2026-05-31T15:00:00Z"]}


class Schemas:
    """Collects the schemas that the API's operations refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def answer(self, descriptor: Descriptor) -> dict[str, Any]:
        """A reference to what an operation answers: every field is there, an absent one is null."""
        name = descriptor.name
        if name not in self.components:
            self.components[name] = {}
            properties = {field.name: self._field(field, nullable=True) for field in descriptor.fields}
            self.components[name] = {"type": "object", "properties": properties, "required": list(properties)}
        return {"$ref": f"#/components/schemas/{name}"}

    def request(self, descriptor: Descriptor, without: set[str]) -> dict[str, Any]:
        """A reference to an operation's body: the request's fields but those that come otherwise."""
        name = descriptor.name if descriptor.name.endswith("Request") else f"{descriptor.name}Input"
        if name not in self.components:
            fields = [field for field in descriptor.fields if field.name not in without]
            self.components[name] = {
                "type": "object",
                "properties": {field.name: self.parameter(field) for field in fields},
                "required": [field.name for field in fields if _is_asked(field)],
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{name}"}

    def parameter(self, field: FieldDescriptor) -> dict[str, Any]:
        """A field that is given, with its rules."""
        return self._field(field, nullable=False) | _rules(field)

    def _field(self, field: FieldDescriptor, *, nullable: bool) -> dict[str, Any]:
        if is_map(field):
            return {"type": "object", "additionalProperties": {"type": "string"}}
        one = self._one(field, nullable=nullable)
        if field.is_repeated:
            return {"type": "array", "items": one}
        absent = field.has_presence or field.enum_type is not None
        return {"anyOf": [one, {"type": "null"}]} if nullable and absent else one

    def _one(self, field: FieldDescriptor, *, nullable: bool) -> dict[str, Any]:
        if field.enum_type is not None:
            return {"type": "string", "enum": list(words(field.enum_type).values())}
        if field.message_type is None:
            return dict(_PLAIN[kind_of(field)])
        if field.message_type.full_name == DAY:
            return dict(_DAY)
        if field.message_type.full_name == INSTANT:
            return dict(_INSTANT)
        return self.answer(field.message_type) if nullable else self.request(field.message_type, set())


def _constraints(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules


def _is_asked(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused."""
    rules = _constraints(field)
    if rules.required or rules.string.min_len or rules.string.len or rules.repeated.min_items:
        return True
    if rules.string.HasField("pattern"):
        return not rules.string.pattern.endswith(")?$")
    return 0 in rules.enum.not_in or bool(getattr(rules.string, "in"))


def _rules(field: FieldDescriptor) -> dict[str, Any]:
    """The field's rules as JSON Schema knows them."""
    rules = _constraints(field)
    text, items = rules.string, rules.repeated
    of_text = {
        "minLength": text.min_len or text.len,
        "maxLength": text.max_len or text.len,
        "pattern": text.pattern,
        "enum": list(getattr(text, "in")),
        "minItems": items.min_items,
        "maxItems": items.max_items,
    }
    said = {name: value for name, value in of_text.items() if value}
    return said | _bounds(rules.int32) | _bounds(rules.int64)


def _bounds(rules: validate_pb2.Int32Rules | validate_pb2.Int64Rules) -> dict[str, int]:
    least = rules.gte if rules.HasField("gte") else rules.gt + 1 if rules.HasField("gt") else None
    most = rules.lte if rules.HasField("lte") else rules.lt - 1 if rules.HasField("lt") else None
    return {name: bound for name, bound in (("minimum", least), ("maximum", most)) if bound is not None}
