"""Pages of a list behind a cursor that means nothing to its reader (PR-16).

found = (await session.scalars(page.of(sa.select(Card), col(Card.card_id)))).all()
return page.listed(found, lambda card: (card.card_id,))
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from services.chassis.errors import InvalidField, Violation
from services.chassis.ids import is_id

_USUAL = 20
_MOST = 2**53

T = TypeVar("T")
U = TypeVar("U")
Key = str | int | datetime
"""What the rows of a list are sorted by: ids, numbers that are not negative, instants."""


@dataclass(frozen=True)
class Listed(Generic[T]):
    """One page, and the cursor of the next; empty on the last."""

    items: Sequence[T]
    next_cursor: str = ""

    def map(self, shown: Callable[[T], U]) -> Listed[U]:
        return Listed([shown(item) for item in self.items], self.next_cursor)


class Page(BaseModel):
    """Which part of a list is asked for; a size of 0 is the usual one."""

    model_config = ConfigDict(frozen=True)

    cursor: str = ""
    size: int = 0

    @property
    def limit(self) -> int:
        return self.size or _USUAL

    def after(self, *kinds: type[Key]) -> tuple[Any, ...] | None:
        """The keys of the row that the page before ended with; None for the first page.

        Raises:
            InvalidField: the cursor was not issued by us for such a list.
        """
        if not self.cursor:
            return None
        try:
            keys = json.loads(base64.b64decode(self.cursor, b"-_", validate=True))
            return tuple(_key(kind, key) for kind, key in zip(kinds, keys, strict=True))
        except (ValueError, TypeError):
            raise InvalidField(violations=[Violation("page.cursor", "cursor-unknown", {})]) from None

    def of(self, query: sa.Select[Any], *columns: sa.ColumnElement[Any], oldest_first: bool = False) -> sa.Select[Any]:
        """The query of this page, newest first, and of one more row, which tells whether there is a next page.

        Raises:
            InvalidField: as `after`.
        """
        after = self.after(*map(_kind, columns))
        if after is not None:
            keys, last = sa.tuple_(*columns), sa.tuple_(*after)
            query = query.where(keys > last if oldest_first else keys < last)
        return query.order_by(*(column if oldest_first else column.desc() for column in columns)).limit(self.limit + 1)

    def listed(self, found: Sequence[T], keys: Callable[[T], tuple[Key, ...]]) -> Listed[T]:
        """The page of what such a query found, and where the next begins."""
        items = found[: self.limit]
        return Listed(items, _cursor(keys(items[-1])) if len(found) > len(items) else "")


def _kind(column: sa.ColumnElement[Any]) -> type[Key]:
    stored = column.type.impl_instance if isinstance(column.type, sa.types.TypeDecorator) else column.type
    return stored.python_type


def _cursor(keys: tuple[Key, ...]) -> str:
    written = [key.isoformat() if isinstance(key, datetime) else key for key in keys]
    return base64.urlsafe_b64encode(json.dumps(written, separators=(",", ":")).encode()).decode()


def _key(kind: type[Key], key: Any) -> Key:
    """Read as strictly as written: what we issued needs no more, and the database refuses much of the rest."""
    if kind is int and type(key) is int and 0 <= key < _MOST:
        return key
    if kind is str and isinstance(key, str) and key.isascii() and key.isprintable() and is_id(key, key.split("_")[0]):
        return key
    if kind is datetime and (instant := datetime.fromisoformat(key)).tzinfo is not None:
        return instant
    raise ValueError
