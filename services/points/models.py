"""The schema `points`: what its tables have in common."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="points"))):
    pass


def text(**more: Any) -> Any:
    return Field(sa_type=sa.Text, **more)


def whole(**more: Any) -> Any:
    """A column that counts points or yen (PR-01)."""
    return Field(sa_type=sa.BigInteger, **more)


def instant(**more: Any) -> Any:
    """A column that holds an instant, in UTC (PR-02)."""
    return Field(sa_type=sa.DateTime(timezone=True), **more)


requests, outbox, inbox = chassis_tables(Table.metadata)
