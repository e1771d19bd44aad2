"""What the migrations of every context are written with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

INSTANT = sa.DateTime(timezone=True)


def key(name: str, kind: Any = sa.Text, *more: Any, of: str = "") -> sa.Column[Any]:
    """A column of the primary key; `of` is the column elsewhere that it points to."""
    return sa.Column(name, kind, *more, *_pointing(of), primary_key=True)


def filled(name: str, kind: Any = sa.Text, *more: Any, of: str = "") -> sa.Column[Any]:
    """A column that every row has."""
    return sa.Column(name, kind, *more, *_pointing(of), nullable=False)


def maybe(name: str, kind: Any = sa.Text, *more: Any) -> sa.Column[Any]:
    """A column that can be null."""
    return sa.Column(name, kind, *more, nullable=True)


def _pointing(of: str) -> list[sa.ForeignKey]:
    return [sa.ForeignKey(of)] if of else []


class Schema:
    """The tables of one context."""

    def __init__(self, name: str) -> None:
        self._name = name

    def table(self, name: str, *parts: Any, **more: Any) -> None:
        op.create_table(name, *parts, schema=self._name, **more)

    def index(self, name: str, table: str, *columns: Any, where: str | None = None, unique: bool = False) -> None:
        only = None if where is None else sa.text(where)
        op.create_index(name, table, list(columns), schema=self._name, unique=unique, postgresql_where=only)

    def add(self, table: str, name: str, kind: Any, at_first: str) -> None:
        """A column that every row has from now on.

        Args:
            table: where.
            name: of the column.
            kind: its type.
            at_first: what the rows that are there get, as SQL: `'false'`.
        """
        op.add_column(
            table,
            sa.Column(name, kind, nullable=False, server_default=sa.text(at_first)),
            schema=self._name,
        )
        op.alter_column(table, name, server_default=None, schema=self._name)

    def chassis_tables(self) -> None:
        """The requests, outbox and inbox as every context begins with them.

        What has run somewhere stays as it is: when these tables change, each context gets a migration of its own.
        """
        self.table(
            "requests",
            *map(key, ("principal", "command", "request_id")),
            filled("digest", sa.LargeBinary),
            filled("answer", sa.LargeBinary),
            filled("asked_at", INSTANT),
        )
        self.table(
            "outbox",
            key("position", sa.BigInteger, sa.Identity(always=True)),
            *map(filled, ("kind", "message_id", "aggregate_id")),
            maybe("aggregate_version", sa.BigInteger),
            filled("subject"),
            maybe("payload", sa.LargeBinary),
            maybe("line", JSONB),
            filled("written_at", INSTANT),
            maybe("claimed_until", INSTANT),
            maybe("handed_on_at", INSTANT),
            sa.CheckConstraint("kind in ('event', 'process')", name="outbox_kind"),
            sa.UniqueConstraint("message_id", name="outbox_message_id"),
            sa.UniqueConstraint("aggregate_id", "aggregate_version", name="outbox_aggregate_order"),
        )
        self.index("outbox_waiting", "outbox", "kind", "position", where="handed_on_at is null")
        self.table(
            "inbox",
            *map(key, ("consumer", "source", "aggregate_id")),
            filled("version", sa.BigInteger),
            filled("taken_at", INSTANT),
        )
