"""Messages to models and back, field by field of the same name; what differs is given where it differs.

held = await holds.hold(caller(), wire.read(HoldPoints, request))
return wire.write(pb.HoldView, held, yen=held.yen_now)

An instant is a Timestamp, a day of the calendar a `Day`, a word such as `number-asked` the number of the enum's value
NUMBER_ASKED. What is absent or not specified in a message is left out: the model's default stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, TypeAdapter

from ruum.common.v1 import common_pb2
from services.chassis.errors import InvalidField, Violation

if TYPE_CHECKING:
    from services.chassis.pages import Page

M = TypeVar("M")
P = TypeVar("P", bound=Message)

_DAY = common_pb2.Day.DESCRIPTOR.full_name
_INSTANT = Timestamp.DESCRIPTOR.full_name


def read(model: type[M], message: Message, **given: Any) -> M:
    """A command or view made of a message: of the fields that both have, and of what is given.

    Raises:
        InvalidField: a day that no calendar has; the violation names it as the contract does.
        TypeError: a field of the model stands nowhere, or a command leaves a field of its request unread: a defect of
            ours, which the first call shows.
    """
    kind: Any = model
    wanted = _compare(kind, message.DESCRIPTOR, frozenset(given), whole=False)
    found: M = _adapter(kind).validate_python(_plain(message, "", wanted) | given)
    return found


def write(kind: type[P], view: object, **given: Any) -> P:
    """A message made of a view: each field has the attribute of its name, or what is given; None leaves it absent.

    Raises:
        AttributeError: the view lacks one; a defect of ours, which the first call shows.
    """
    written = {}
    for name, form in _writers(kind.DESCRIPTOR):
        value = given.pop(name) if name in given else getattr(view, name)
        if value is not None:
            written[name] = form(value)
    return kind(**written, **given)


def stamp(instant: datetime | None) -> Timestamp | None:
    """An instant as gRPC carries it; nothing stays nothing."""
    if instant is None:
        return None
    stamped = Timestamp()
    stamped.FromDatetime(instant.astimezone(UTC))
    return stamped


def instant(message: Message, field: str) -> datetime | None:
    """An instant that may be absent."""
    return getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None


def day(message: Message, field: str) -> date | None:
    """A day that may be absent.

    Raises:
        InvalidField: no calendar has it.
    """
    return _day(getattr(message, field), field) if message.HasField(field) else None


def page(asked: common_pb2.Page) -> Page:
    """Which part of a list is asked for."""
    from services.chassis.pages import Page  # noqa: PLC0415  # the worker lists nothing, and needs no SQLAlchemy

    return Page(cursor=asked.cursor, size=asked.size)


def number(kinds: Any, word: str) -> Any:
    """The number of a word in a generated enum; the empty word is what is not specified."""
    return _numbers(kinds.DESCRIPTOR)[word]


def word(kinds: Any, number: int) -> str:
    """The word of a number in a generated enum: CASE_STATE_NUMBER_ASKED is `number-asked`."""
    return words(kinds.DESCRIPTOR)[number]


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


@cache
def _compare(model: Any, message: Descriptor, given: frozenset[str], *, whole: bool) -> frozenset[str]:
    """Compares once: pydantic passes over what a model does not know, and takes the default for what is misspelt.

    A command is read whole, with all its parts. Returns the names of the fields that are read.
    """
    types = _fields(model)
    wanted = set(types) - given
    offered = {field.name for field in message.fields} - given
    whole = whole or "request_id" in types
    missing = wanted - offered - ({"as_of"} if whole else set())
    unread = offered - wanted if whole else ()
    if missing or unread:
        raise TypeError(f"{model.__name__} of {message.full_name}: missing {sorted(missing)}, unread {sorted(unread)}")
    for field in message.fields:
        if field.name in wanted and field.message_type is not None:
            for part in _models_in(types[field.name]):
                _compare(part, field.message_type, frozenset(), whole=whole)
    return frozenset(wanted)


def _fields(model: Any) -> dict[str, Any]:
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    hints = get_type_hints(model)
    return {field.name: hints[field.name] for field in fields(model)}


def _models_in(hint: Any) -> Iterator[Any]:
    """The models that a type such as `tuple[Part, ...] | None` is made of."""
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or is_dataclass(hint)):
        yield hint
    for part in get_args(hint):
        yield from _models_in(part)


def _plain(message: Message, path: str, wanted: frozenset[str] | None = None) -> dict[str, Any]:
    """The values of a message; of those fields that are wanted, or of all."""
    return {
        name: read(getattr(message, name), path + name)
        for name, presence, unset, read in _readers(message.DESCRIPTOR)
        if (wanted is None or name in wanted)
        and (not presence or message.HasField(name))
        and getattr(message, name) != unset
    }


Read = Callable[[Any, str], Any]


@cache
def _readers(message: Descriptor) -> tuple[tuple[str, bool, Any, Read], ...]:
    """Of each field: its name, whether it can be absent, the value that says that nothing was specified, its reader."""
    return tuple((it.name, it.has_presence, _unset(it), _reader(it)) for it in message.fields)


def _unset(field: FieldDescriptor) -> Any:
    return 0 if field.enum_type is not None and not field.is_repeated else None


def _reader(field: FieldDescriptor) -> Read:
    if (value := _value_of_map(field)) is not None:
        one = _reader_of_one(value)
        # The library's order is another in each process, and a request that is repeated would be another.
        return lambda found, path: {key: one(found[key], path) for key in sorted(found)}
    one = _reader_of_one(field)
    if not field.is_repeated:
        return one
    unset = None if field.enum_type is None else 0
    return lambda found, path: tuple(one(it, f"{path}[{turn}]") for turn, it in enumerate(found) if it != unset)


def _reader_of_one(field: FieldDescriptor) -> Read:
    if field.enum_type is not None:
        said = words(field.enum_type)
        return lambda found, _: said[found]
    if field.message_type is None:
        return lambda found, _: found
    if field.message_type.full_name == _INSTANT:
        return lambda found, _: found.ToDatetime(UTC)
    if field.message_type.full_name == _DAY:
        return _day
    return lambda found, path: _plain(found, f"{path}.")


def _day(found: common_pb2.Day, path: str) -> date:
    try:
        return date.fromisoformat(found.iso)
    except ValueError:
        raise InvalidField(violations=[Violation(path, "day-not-in-calendar", {})]) from None


# Writing.


Write = Callable[[Any], Any]


@cache
def _writers(message: Descriptor) -> tuple[tuple[str, Write], ...]:
    return tuple((it.name, _writer(it)) for it in message.fields)


def _writer(field: FieldDescriptor) -> Write:
    if (value := _value_of_map(field)) is not None:
        one = _writer_of_one(value)
        return lambda items: {str(key): one(item) for key, item in items.items()}
    one = _writer_of_one(field)
    return (lambda items: [one(item) for item in items]) if field.is_repeated else one


def _writer_of_one(field: FieldDescriptor) -> Write:
    if field.enum_type is not None:
        return _numbers(field.enum_type).__getitem__
    if field.message_type is None:
        return _text if field.type == FieldDescriptor.TYPE_STRING else _same
    if field.message_type.full_name == _INSTANT:
        return stamp
    if field.message_type.full_name == _DAY:
        return lambda day: common_pb2.Day(iso=day.isoformat())
    return partial(_part, GetMessageClass(field.message_type))


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)


def _part(kind: type[P], value: Any) -> P:
    if isinstance(value, kind):
        return value
    return kind(**value) if isinstance(value, Mapping) else write(kind, value)


# Words.


@cache
def words(kinds: EnumDescriptor) -> dict[int, str]:
    """The words of an enum by their numbers; what is not specified is the empty one."""
    prefix = kinds.values_by_number[0].name.removesuffix("UNSPECIFIED")
    said = {it.number: it.name.removeprefix(prefix).lower().replace("_", "-") for it in kinds.values}
    return said | {0: ""}


@cache
def _numbers(kinds: EnumDescriptor) -> dict[str, int]:
    return {word: number for number, word in words(kinds).items()}


def _value_of_map(field: FieldDescriptor) -> FieldDescriptor | None:
    entry = field.message_type
    return entry.fields_by_name["value"] if entry is not None and entry.GetOptions().map_entry else None
