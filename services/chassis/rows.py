"""Rows read as things, and statements that are made once. `_of` says to the type checker what a row is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")
# What a statement has changed, this transaction's or somebody else's, is read anew and not from the session's memory.
_FRESH: dict[str, Any] = {"populate_existing": True}

Values = Mapping[str, Any]
"""What a statement's parameters are. Statements are made once: to make one costs more than to run it."""


def new(table: sa.Table, values: Values) -> Values:
    """New values of columns, all of which exist: an UPDATE that is made once passes over a name that is no column's.

    Raises:
        KeyError: a name is no column's.
    """
    for name in values:
        table.c[name]
    return values


async def one(tx: AsyncSession, _of: type[T], statement: Executable, values: Values | None = None) -> T | None:
    """The thing that the statement finds or changes, if any."""
    found: T | None = (await tx.scalars(statement, values, execution_options=_FRESH)).first()
    return found


async def every(tx: AsyncSession, _of: type[T], statement: Executable) -> Sequence[T]:
    """All things that the statement finds or changes."""
    found: Sequence[T] = (await tx.scalars(statement, execution_options=_FRESH)).all()
    return found


async def rows(tx: AsyncSession, statement: Executable, values: Values) -> Sequence[Any]:
    """What the statement finds, where a row holds more than one thing."""
    return (await tx.execute(statement, values, execution_options=_FRESH)).all()
