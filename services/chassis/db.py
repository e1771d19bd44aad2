"""Sessions on one context's schema: reads in autocommit, work in one short transaction that is retried in one place."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel

from services.chassis.errors import Crowded, StillRunning, TooLate, Unavailable

T = TypeVar("T")

_ATTEMPTS = 6
_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock
_LOCK_NOT_AVAILABLE = "55P03"
_CANCELLED = "57014"
_POOL_PATIENCE_SECONDS = 10
# Beyond the pool, for a rush: closed again after it.
_MORE_CONNECTIONS = 5
# A lock that is not had within the patience of PR-10 is an answer to the caller, not a longer wait.
_LIMITS = {
    "lock_timeout": f"{int(StillRunning.patience.total_seconds())}s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
}


class ValidatedTable(SQLModel):
    """Parent of every table: SQLModel does not validate a `table=True` model on construction, `make` does.

    Each context derives its own base with its own registry and `MetaData(schema=…)`.
    """

    @classmethod
    def table(cls) -> sa.Table:
        """The table itself, for statements."""
        return cls.metadata.tables[f"{cls.metadata.schema}.{cls.__tablename__}"]

    @classmethod
    def make(cls, **values: Any) -> Self:
        """A new row whose fields keep their rules.

        Raises:
            pydantic.ValidationError: a field breaks its rule, which is a defect of ours: input was checked before.
        """
        return cls.model_validate(values)


class Database:
    """The connections of one service's role.

    Queries have connections of their own: they neither wait for those that wait for locks, nor open transactions.

    Args:
        url: `postgresql+psycopg://role:password@host/database`.
        pool_size: how many connections of each kind are kept.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        def engine(**more: Any) -> AsyncEngine:
            return create_async_engine(
                url,
                pool_size=pool_size,
                max_overflow=_MORE_CONNECTIONS,
                pool_timeout=_POOL_PATIENCE_SECONDS,
                connect_args={"options": " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())},
                **more,
            )

        self.engine = engine()
        self._queries = engine(isolation_level="AUTOCOMMIT", pool_reset_on_return=None, skip_autocommit_rollback=True)
        self._work = async_sessionmaker(self.engine, expire_on_commit=False)
        self._read = async_sessionmaker(self._queries, expire_on_commit=False)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session whose statements are each a transaction of its own and see what is committed: for queries.

        Raises:
            Unavailable: the database cannot be reached, or all connections are taken.
            TooLate: a statement took longer than any may.
        """
        async with _named_failures(), self._read() as session:
            yield session

    async def transact(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Runs `work` in one transaction, again when the database asks for it: it must have no effect elsewhere.

        Raises:
            Crowded: a lock was not had in time, or others kept coming first.
            Unavailable: the database cannot be reached, or all connections are taken.
            TooLate: a statement took longer than any may.
        """
        for attempt in range(_ATTEMPTS):
            try:
                async with _named_failures(), self._work() as session, session.begin():
                    return await work(session)
            except DBAPIError as failure:
                if _state(failure) not in _AGAIN:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311  # spreads, hides nothing
        raise Crowded

    async def close(self) -> None:
        await self.engine.dispose()
        await self._queries.dispose()


def violated(failure: IntegrityError) -> str:
    """The name of the constraint that decided against a statement."""
    diagnosis = getattr(failure.orig, "diag", None)
    return str(getattr(diagnosis, "constraint_name", "") or "")


def lock_not_had(failure: DBAPIError) -> bool:
    """Whether the statement gave up waiting for another transaction."""
    return _state(failure) == _LOCK_NOT_AVAILABLE


def _state(failure: DBAPIError) -> str:
    return str(getattr(failure.orig, "sqlstate", "") or "")


@asynccontextmanager
async def _named_failures() -> AsyncIterator[None]:
    """What is nobody's mistake gets its name; other failures stay what they are."""
    try:
        yield
    except DBAPIError as failure:
        state = _state(failure)
        if state == _LOCK_NOT_AVAILABLE:
            raise Crowded from failure
        if state == _CANCELLED:
            raise TooLate from failure
        if _lost(failure, state):
            raise Unavailable from failure
        raise
    except PoolTimeoutError as failure:
        raise Unavailable from failure


def _lost(failure: DBAPIError, state: str) -> bool:
    # 08: connection; 53: out of resources; 57P: the server stops or starts. The library's own have no state.
    return (
        failure.connection_invalidated
        or state.startswith(("08", "53", "57P"))
        or (not state and isinstance(failure.orig, psycopg.OperationalError))
    )
