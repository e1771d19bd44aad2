"""Answers of the contracts as lines on a terminal: our words, and days and hours in Japan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any

from google.protobuf.message import Message

from services.chassis import wire
from services.chassis.jst import JST

NOTHING = "—"


def lines(message: Message, *fields: str) -> Iterator[str]:
    """One line a field."""
    width = max(map(len, fields))
    for field in fields:
        yield f"{field.replace('_', ' '):<{width}}  {written(message, field)}"


def table(messages: Iterable[Message], *fields: str) -> Iterator[str]:
    """One line a message under the names of its fields."""
    rows = [[field.replace("_", " ") for field in fields]]
    rows += [[written(message, field) for field in fields] for message in messages]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()


def written(message: Message, name: str) -> str:
    """A field as people read it."""
    field = message.DESCRIPTOR.fields_by_name[name]
    value: Any = getattr(message, name)
    if field.enum_type is not None:
        return wire.words(field.enum_type)[value]
    if field.message_type is not None:
        return _day_or_instant(value) if message.HasField(name) else NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else value or NOTHING


def _day_or_instant(value: Any) -> str:
    if hasattr(value, "iso"):
        return str(value.iso)
    return f"{value.ToDatetime(UTC).astimezone(JST):%Y-%m-%d %H:%M}"
