"""The columns of our tables, named by what they hold."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def text(**more: Any) -> Any:
    return Field(sa_type=sa.Text, **more)


def whole(**more: Any) -> Any:
    """Whole yen, or points (PR-01)."""
    return Field(sa_type=sa.BigInteger, **more)


def instant(**more: Any) -> Any:
    """An instant, in UTC (PR-02)."""
    return Field(sa_type=sa.DateTime(timezone=True), **more)


def record(**more: Any) -> Any:
    """Values by name, as JSON: an address, a name in three languages, ids and codes."""
    return Field(sa_type=JSONB, **more)


def is_one_of(column: str, values: tuple[str, ...]) -> str:
    """The condition of a CHECK."""
    return f"{column} in ({', '.join(repr(value) for value in values)})"
