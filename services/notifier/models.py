"""The schema `notifier`: what its tables have in common."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="notifier"))):
    @classmethod
    def table(cls) -> sa.Table:
        """The table itself, for statements."""
        return cls.metadata.tables[f"notifier.{cls.__tablename__}"]


def text(**more: Any) -> Any:
    return Field(sa_type=sa.Text, **more)


def instant(**more: Any) -> Any:
    """A column that holds an instant, in UTC (PR-02)."""
    return Field(sa_type=sa.DateTime(timezone=True), **more)


requests, outbox, inbox = chassis_tables(Table.metadata)
