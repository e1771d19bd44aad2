"""JSON Schemas of the contracts' messages, with the rules that each field keeps (OpenAPI 3.1, PO-01)."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.gateway.bridge import rules
from services.gateway.bridge.examples import example
from services.gateway.bridge.messages import DAY, INSTANT, is_map, kind_of, words

_PLAIN: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
}
_DAY = {"type": "string", "format": "date"}
_INSTANT = {"type": "string", "format": "date-time"}


class Schemas:
    """Collects the schemas that the API's operations refer to."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._of: dict[str, str] = {}

    def answer(self, message: Descriptor) -> dict[str, Any]:
        """A reference to what an operation answers: every field is there, an absent one is null."""
        return self._component(message.name, message, frozenset(message.fields_by_name), asked=False)

    def request(self, message: Descriptor, names: frozenset[str]) -> dict[str, Any]:
        """A reference to a body that holds these fields of a request."""
        name = message.name if message.name.endswith("Request") else f"{message.name}Input"
        return self._component(name, message, names, asked=True)

    def is_asked(self, body: dict[str, Any]) -> bool:
        """Whether a body that is referred to must be there."""
        return bool(self.components[body["$ref"].rpartition("/")[2]]["required"])

    def parameter(self, field: FieldDescriptor) -> dict[str, Any]:
        """A field that is given, with its rules."""
        return self._field(field, asked=True)

    def _component(self, name: str, message: Descriptor, names: frozenset[str], *, asked: bool) -> dict[str, Any]:
        if self._of.setdefault(name, message.full_name) != message.full_name:
            raise ValueError(f"{name} is {self._of[name]} and {message.full_name}")
        if name not in self.components:
            fields = [field for field in message.fields if field.name in names]
            schema = self.components[name] = {"type": "object"}  # it stands before what refers back to it
            schema["properties"] = {field.name: self._field(field, asked=asked) for field in fields}
            schema["required"] = [field.name for field in fields if not asked or rules.is_asked(field)]
            schema["examples"] = [example(message, names)]
            if asked:
                schema["additionalProperties"] = False
        return {"$ref": f"#/components/schemas/{name}"}

    def _field(self, field: FieldDescriptor, *, asked: bool) -> dict[str, Any]:
        if is_map(field):
            return {"type": "object", "additionalProperties": {"type": "string"}}
        one = self._one(field, asked=asked)
        if field.is_repeated:
            return {"type": "array", "items": one} | (rules.of_field(field) if asked else {})
        absent = field.has_presence or field.enum_type is not None
        return {"anyOf": [one, {"type": "null"}]} if absent and not asked else one

    def _one(self, field: FieldDescriptor, *, asked: bool) -> dict[str, Any]:
        if field.enum_type is not None:
            return {"type": "string", "enum": list(words(field.enum_type).values())}
        if field.message_type is None:
            return _PLAIN[kind_of(field)] | (rules.of_value(field) if asked else {})
        if field.message_type.full_name in {DAY, INSTANT}:
            return dict(_DAY if field.message_type.full_name == DAY else _INSTANT)
        if asked:
            return self.request(field.message_type, frozenset(field.message_type.fields_by_name))
        return self.answer(field.message_type)
