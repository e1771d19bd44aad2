"""How the store's words stand in its contract: what the servicers of all aggregates have in common."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ruum.common.v1 import common_pb2
from ruum.store.v1 import store_pb2
from services.store.models import Address, LocalText, Page, Recipient

Context = grpc.aio.ServicerContext[Any, Any]


def number(kinds: Any, word: str) -> Any:
    """A word of ours as the generated enum has it: `requires-action` is PAYMENT_STATE_REQUIRES_ACTION."""
    prefix: str = kinds.keys()[0].removesuffix("UNSPECIFIED")
    return kinds.Value(prefix + (word.upper().replace("-", "_") or "UNSPECIFIED"))


def word(kinds: Any, value: int) -> Any:
    """The other way round; what is not specified is empty."""
    prefix: str = kinds.keys()[0].removesuffix("UNSPECIFIED")
    found: str = kinds.Name(value).removeprefix(prefix)
    return "" if found == "UNSPECIFIED" else found.lower().replace("_", "-")


def stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    stamped = Timestamp()
    stamped.FromDatetime(instant.astimezone(UTC))
    return stamped


def day(iso: date | None) -> common_pb2.Day | None:
    return common_pb2.Day(iso=iso.isoformat()) if iso else None


def instant(request: Message, field: str) -> datetime | None:
    """An instant of a request that may be absent."""
    if not request.HasField(field):
        return None
    given: Timestamp = getattr(request, field)
    return given.ToDatetime(UTC)


def as_of(request: Message) -> datetime | None:
    """The worker's time, where it states it (PR-05)."""
    return instant(request, "as_of")


def page(asked: common_pb2.Page) -> Page:
    return Page(cursor=asked.cursor, size=asked.size)


def local_text(text: dict[str, str]) -> store_pb2.LocalText:
    return store_pb2.LocalText(**text)


def read_text(text: store_pb2.LocalText) -> LocalText:
    return LocalText(ja=text.ja, en=text.en, zh_hans=text.zh_hans)


def address(place: Address) -> common_pb2.Address:
    return common_pb2.Address(**place.model_dump())


def read_address(place: common_pb2.Address) -> Address:
    return Address(
        postal_code=place.postal_code,
        prefecture=place.prefecture,
        city=place.city,
        street=place.street,
        building=place.building,
    )


def recipient(person: Recipient) -> store_pb2.Recipient:
    return store_pb2.Recipient(**person.model_dump())
