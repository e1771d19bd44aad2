"""How every aggregate of the store reads rows as things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")
# A row that a statement of this transaction changed is read anew, never from the session's memory.
_FRESH: dict[str, Any] = {"populate_existing": True}


async def one(tx: AsyncSession, _of: type[T], statement: Executable) -> T | None:
    """The thing that the statement finds or changes, if any."""
    found: T | None = (await tx.scalars(statement, execution_options=_FRESH)).first()
    return found


async def every(tx: AsyncSession, _of: type[T], statement: Executable) -> Sequence[T]:
    """All things that the statement finds or changes."""
    found: Sequence[T] = (await tx.scalars(statement, execution_options=_FRESH)).all()
    return found
