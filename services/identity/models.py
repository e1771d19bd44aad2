"""The schema `identity`: what its tables have in common."""

from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field

from services.chassis.db import ValidatedTable
from services.chassis.foundation import chassis_tables

Language = Literal["ja", "en", "zh_Hans"]
Channel = Literal["email", "sms"]


class Table(ValidatedTable, registry=registry(metadata=sa.MetaData(schema="identity"))):
    @classmethod
    def table(cls) -> sa.Table:
        """The table itself, for statements."""
        return cls.metadata.tables[f"identity.{cls.__tablename__}"]


def text(**more: Any) -> Any:
    return Field(sa_type=sa.Text, **more)


def instant(**more: Any) -> Any:
    """A column that holds an instant, in UTC (PR-02)."""
    return Field(sa_type=sa.DateTime(timezone=True), **more)


def is_one_of(column: str, values: tuple[str, ...]) -> str:
    """The condition of a CHECK."""
    return f"{column} in ({', '.join(repr(value) for value in values)})"


requests, outbox, inbox = chassis_tables(Table.metadata)
