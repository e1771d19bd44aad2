"""Messages of the contracts as JSON and back (PO-01): the API is the contract, written once.

Field names stay as they are; numbers stay numbers; an enum's value is its word (`number-asked`); a `Day` is
`2026-05-31`; an instant is RFC 3339 in UTC; what is absent is null in an answer, and left out of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from services.chassis import wire
from services.chassis.errors import InvalidField, Violation

DAY = "ruum.common.v1.Day"
INSTANT = "google.protobuf.Timestamp"
MOST_VIOLATIONS = 20
"""As many as fit into an answer of a service too (`chassis/failures.py`)."""
LONGEST_NAME = 80
"""Of a field that nobody knows: so much of it is said back."""


def values_of(message: Message) -> dict[str, Any]:
    """The values of a message as JSON has them; every field of its contract is there."""
    return {name: read(message) for name, read in _readers(message.DESCRIPTOR)}


def message_of(descriptor: Descriptor, values: Mapping[str, Any]) -> Message:
    """A message of the given type.

    Raises:
        InvalidField: a name that the contract does not know, or a value that is not of its field's type (PR-12).
    """
    violations: list[Violation] = []
    message = _fill(descriptor, values, "", violations)
    if message is None or violations:
        raise InvalidField(violations=violations[:MOST_VIOLATIONS])
    return message


@cache
def words(kinds: EnumDescriptor) -> dict[int, str]:
    """The values of an enum as the API writes them, without the one that means nothing was said."""
    return {number: word for number, word in wire.words(kinds).items() if number}


Reader = Callable[[Message], Any]


@cache
def _readers(descriptor: Descriptor) -> tuple[tuple[str, Reader], ...]:
    return tuple((field.name, _reader(field)) for field in descriptor.fields)


def _reader(field: FieldDescriptor) -> Reader:
    name, one = field.name, _value_reader(field)
    if is_map(field):
        return lambda message: dict(getattr(message, name))
    if field.is_repeated:
        return lambda message: [one(value) for value in getattr(message, name)]
    if field.has_presence:
        return lambda message: one(getattr(message, name)) if message.HasField(name) else None
    return lambda message: one(getattr(message, name))


def _value_reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        known = words(field.enum_type)
        return known.get
    if field.message_type is None:
        return lambda value: value
    if field.message_type.full_name == INSTANT:
        return lambda value: value.ToDatetime(UTC).isoformat().replace("+00:00", "Z")
    if field.message_type.full_name == DAY:
        return lambda value: value.iso
    return values_of


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _fill(descriptor: Descriptor, values: Any, path: str, violations: list[Violation]) -> Message | None:
    if not isinstance(values, Mapping):
        violations.append(_wrong(path, "object"))
        return None
    message: Message = GetMessageClass(descriptor)()
    for name, value in values.items():
        field = descriptor.fields_by_name.get(name)
        where = f"{path}.{name}" if path else name
        if field is None:
            violations.append(Violation(where[:LONGEST_NAME], "field-unknown", {}))
        else:
            _put(message, field, value, where, violations)
    return message


def _put(message: Message, field: FieldDescriptor, value: Any, where: str, violations: list[Violation]) -> None:
    if field.is_repeated:
        if not isinstance(value, list):
            violations.append(_wrong(where, "array"))
            return
        for place, item in enumerate(value):
            _set(message, field, item, f"{where}[{place}]", violations)
    else:
        _set(message, field, value, where, violations)


def _set(message: Message, field: FieldDescriptor, value: Any, where: str, violations: list[Violation]) -> None:
    """Sets the field, or adds to it where it holds many; what it does not take is noted."""
    found = _value(field, value, where, violations)
    if found is None:
        return
    try:
        if field.is_repeated:
            getattr(message, field.name).append(found)
        elif isinstance(found, Message):
            getattr(message, field.name).CopyFrom(found)
        else:
            setattr(message, field.name, found)
    except ValueError:  # a number outside of its range, or text that is none
        violations.append(_wrong(where, kind_of(field)))


def _value(field: FieldDescriptor, value: Any, where: str, violations: list[Violation]) -> Any:
    """The value as its field holds it; None where it is not of the field's type, which is noted."""
    if field.message_type is not None:
        return _message(field.message_type, value, where, violations)
    if field.enum_type is not None:
        numbers = {word: number for number, word in words(field.enum_type).items()}
        if isinstance(value, str) and value in numbers:
            return numbers[value]
        violations.append(Violation(where, "field-choice", {"choices": ", ".join(numbers)}))
        return None
    wanted = _TYPES[kind_of(field)]
    if wanted is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 7.0 is a whole number too
    if type(value) is wanted:
        return value
    violations.append(_wrong(where, kind_of(field)))
    return None


def _message(kind: Descriptor, value: Any, where: str, violations: list[Violation]) -> Message | None:
    if kind.full_name == DAY:
        if not isinstance(value, str):
            violations.append(_wrong(where, "string"))
            return None
        return _fill(kind, {"iso": value}, where, violations)
    if kind.full_name == INSTANT:
        return _instant(value, where, violations)
    return _fill(kind, value, where, violations)


def _instant(value: Any, where: str, violations: list[Violation]) -> Message | None:
    stamp = Timestamp()
    try:
        stamp.FromJsonString(value)
    except (AttributeError, TypeError, ValueError):
        violations.append(_wrong(where, "instant"))
        return None
    return stamp


_KINDS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_BOOL: "bool",
}
_TYPES = {"string": str, "int32": int, "int64": int, "bool": bool}


def kind_of(field: FieldDescriptor) -> str:
    """The kind of a field that is neither a message nor an enum.

    Raises:
        KeyError: the API has no JSON for it; no contract that it serves has such a field.
    """
    return _KINDS[field.type]


def _wrong(where: str, kind: str) -> Violation:
    return Violation(where, f"field-not-{kind}", {})
