"""The partners' books: one SQLite file, so that a killed process goes on where it was."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS things (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, made REAL NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS things_in_order ON things (kind, seq);
CREATE TABLE IF NOT EXISTS marks (
    kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, thing INTEGER NOT NULL,
    PRIMARY KEY (kind, name, value, thing)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS marks_of_thing ON marks (thing);
CREATE TABLE IF NOT EXISTS answers (
    partner TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, status INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (partner, key));
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, subject TEXT NOT NULL, due REAL NOT NULL,
    moved INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (moved, due);
CREATE INDEX IF NOT EXISTS jobs_by_name ON jobs (name, moved, due);
CREATE TABLE IF NOT EXISTS webhooks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, partner TEXT NOT NULL, type TEXT NOT NULL,
    body TEXT NOT NULL, manner TEXT NOT NULL, state TEXT NOT NULL, due REAL NOT NULL, follows INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '', made REAL NOT NULL);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (state, due);
CREATE INDEX IF NOT EXISTS webhooks_by_id ON webhooks (id);
CREATE TABLE IF NOT EXISTS knobs (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_TABLES = ("things", "marks", "answers", "jobs", "webhooks", "knobs")


class Thing(BaseModel):
    """Something a partner keeps: a payment, a parcel, a mail."""

    KIND: ClassVar[str]

    def key(self) -> str:
        raise NotImplementedError

    def marks(self) -> dict[str, str]:
        """By what else than its key it is looked up."""
        return {}


T = TypeVar("T", bound=Thing)


class Store:
    """All reads and writes of a request happen inside one `transaction`."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)
        self._lock = asyncio.Lock()
        self._visible_until = math.inf
        self._then: set[asyncio.Event] = set()

    @property
    def revision(self) -> int:
        """Grows with every write of this process."""
        return self._db.total_changes

    @asynccontextmanager
    async def transaction(self, *, lag_s: float = 0) -> AsyncIterator[None]:
        """All or nothing, one at a time; with a lag, things younger than that are not seen in it."""
        async with self._lock:
            self._then.clear()
            self._visible_until = time.time() - lag_s if lag_s else math.inf
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            for event in self._then:
                event.set()

    def on_commit(self, event: asyncio.Event) -> None:
        """Sets `event` once what is written now can be seen, and not if it is undone."""
        self._then.add(event)

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        return self._db.execute(sql, values)

    def put(self, thing: Thing) -> None:
        row = self.run(
            "INSERT INTO things (kind, id, made, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body RETURNING seq",
            thing.KIND,
            thing.key(),
            time.time(),
            thing.model_dump_json(),
        ).fetchone()
        self.run("DELETE FROM marks WHERE thing = ?", row["seq"])
        self._db.executemany(
            "INSERT INTO marks (kind, name, value, thing) VALUES (?, ?, ?, ?)",
            [(thing.KIND, name, value, row["seq"]) for name, value in thing.marks().items()],
        )

    def get(self, cls: type[T], key: str) -> T | None:
        row = self.run(
            "SELECT body FROM things WHERE kind = ? AND id = ? AND made <= ?", cls.KIND, key, self._visible_until
        ).fetchone()
        return cls.model_validate_json(row["body"]) if row else None

    def find(self, cls: type[T], wanted: Mapping[str, str]) -> list[T]:
        """The things that carry all these marks, oldest first; the first mark should be the rarest."""
        name, value = next(iter(wanted.items()))
        rows = self.run(
            "SELECT body FROM marks JOIN things ON seq = thing"
            " WHERE marks.kind = ? AND name = ? AND value = ? AND made <= ? ORDER BY seq",
            cls.KIND,
            name,
            value,
            self._visible_until,
        )
        found = (cls.model_validate_json(row["body"]) for row in rows)
        return [thing for thing in found if wanted.items() <= thing.marks().items()]

    def newest(self, cls: type[T], q: str = "", limit: int = 100) -> list[T]:
        """The latest things, or those whose key or one of whose marks is `q`."""
        rows = self.run(
            "SELECT body FROM things WHERE kind = ?1 AND made <= ?4 AND (?2 = '' OR id = ?2"
            " OR EXISTS (SELECT 1 FROM marks WHERE thing = seq AND value = ?2)) ORDER BY seq DESC LIMIT ?3",
            cls.KIND,
            q,
            limit,
            self._visible_until,
        )
        return [cls.model_validate_json(row["body"]) for row in rows]

    def count(self, cls: type[Thing]) -> int:
        row = self.run("SELECT count(*) AS n FROM things WHERE kind = ?", cls.KIND).fetchone()
        return int(row["n"])

    def knob(self, name: str) -> Any:
        row = self.run("SELECT value FROM knobs WHERE name = ?", name).fetchone()
        return json.loads(row["value"]) if row else None

    def turn(self, name: str, value: Any) -> None:
        self.run("INSERT OR REPLACE INTO knobs (name, value) VALUES (?, ?)", name, json.dumps(value))

    def clear(self) -> None:
        for table in _TABLES:
            self.run(f"DELETE FROM {table}")  # noqa: S608 - the names stand above
