"""Pages of a list, newest first, behind a cursor that means nothing to its reader (PR-16)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import sqlalchemy as sa

from services.chassis.errors import InvalidField, Violation
from services.chassis.ids import is_id

_USUAL = 20


class Identified(Protocol):
    id: str


T = TypeVar("T", bound=Identified)


@dataclass(frozen=True)
class Listed(Generic[T]):
    """One page, and the cursor of the next; empty on the last."""

    items: Sequence[T]
    next_cursor: str


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for: ids are sortable, so it ends where an id stands."""

    size: int = _USUAL
    before: str = ""

    @classmethod
    def read(cls, cursor: str, size: int) -> Self:
        """Reads what a caller asked for; a size of 0 is the usual one.

        Raises:
            InvalidField: the cursor is none of ours.
        """
        try:
            before = base64.b64decode(cursor, b"-_", validate=True).decode()
        except ValueError:
            before = ""
        if cursor and not is_id(before, before.partition("_")[0]):
            raise InvalidField(violations=[Violation("page.cursor", "cursor-unknown", {})])
        return cls(size or _USUAL, before)

    def of(self, query: sa.Select[Any], identifier: sa.ColumnElement[str]) -> sa.Select[Any]:
        """The query of this page, and of one more row, which tells whether there is a next page."""
        if self.before:
            query = query.where(identifier < self.before)
        return query.order_by(identifier.desc()).limit(self.size + 1)

    def listed(self, found: Sequence[T]) -> Listed[T]:
        items = found[: self.size]
        more = len(found) > self.size
        return Listed(items, base64.urlsafe_b64encode(items[-1].id.encode()).decode() if more else "")
