"""From contracts of workflows to messages of services and back, for all activities."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def stamp(instant: datetime | None) -> Timestamp | None:
    """An instant as gRPC carries it; nothing stays nothing."""
    if instant is None:
        return None
    stamped = Timestamp()
    stamped.FromDatetime(instant.astimezone(UTC))
    return stamped


def instant(message: Message, field: str) -> datetime | None:
    """An instant that may be absent."""
    if not message.HasField(field):
        return None
    found: Timestamp = getattr(message, field)
    return found.ToDatetime(UTC)


def word(kinds: Any, value: int) -> str:
    """A number of a generated enum as contracts of workflows write it: ORDER_STATE_PLACED is `placed`."""
    names: list[str] = kinds.keys()
    prefix = names[0].removesuffix("UNSPECIFIED")
    name: str = kinds.Name(value)
    return name.removeprefix(prefix).lower().replace("_", "-")


def value(kinds: Any, said: str) -> int:
    """The other way round."""
    prefix = kinds.keys()[0].removesuffix("UNSPECIFIED")
    number: int = kinds.Value(prefix + said.upper().replace("-", "_"))
    return number
