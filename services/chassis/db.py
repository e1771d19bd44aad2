"""Sessions on one context's schema: reads in autocommit, work in one short transaction that is retried in one place."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel

from services.chassis.errors import StillRunning, Unavailable

T = TypeVar("T")

_ATTEMPTS = 6
_SERIALIZATION_FAILURE = "40001"
_DEADLOCK = "40P01"
_LOCK_NOT_AVAILABLE = "55P03"
# Two transactions numbered the events of one aggregate at once: the later one counts again.
EVENT_ORDER = "outbox_aggregate_order"


class ValidatedTable(SQLModel):
    """Parent of every table: SQLModel does not validate a `table=True` model on construction, `make` does.

    Each context derives its own base with its own registry and `MetaData(schema=…)`.
    """

    @classmethod
    def make(cls, **values: Any) -> Self:
        """A new row whose fields keep their rules.

        Raises:
            pydantic.ValidationError: a field breaks its rule, which is a defect of ours: input was checked before.
        """
        return cls.model_validate(values)


class Database:
    """The connections of one service's role."""

    def __init__(self, url: str, *, pool_size: int = 10, overflow: int = 5) -> None:
        # A lock that is not had within the patience of PR-10 is an answer to the caller, not a longer wait.
        limits = {
            "lock_timeout": f"{int(StillRunning.patience.total_seconds())}s",
            "statement_timeout": "15s",
            "idle_in_transaction_session_timeout": "30s",
        }
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            pool_pre_ping=False,
            connect_args={"options": " ".join(f"-c {name}={value}" for name, value in limits.items())},
        )
        self._work = async_sessionmaker(self.engine, expire_on_commit=False)
        self._read = async_sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for queries: every statement sees what is committed, none opens a transaction."""
        async with _named_failures(), self._read() as session:
            yield session

    async def transact(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Runs `work` in one transaction, again when the database asks for it: it must have no effect elsewhere.

        Raises:
            StillRunning: a lock was not had in time.
            Unavailable: the database cannot be reached, or the transaction kept failing.
        """
        for attempt in range(_ATTEMPTS):
            try:
                async with _named_failures(), self._work() as session, session.begin():
                    return await work(session)
            except DBAPIError as failure:
                if not _again(failure):
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311  # spreads, hides nothing
        raise Unavailable

    async def close(self) -> None:
        await self.engine.dispose()


def violated(failure: IntegrityError) -> str:
    """The name of the constraint that decided against a statement."""
    diagnosis = getattr(failure.orig, "diag", None)
    return str(getattr(diagnosis, "constraint_name", "") or "")


def _state(failure: DBAPIError) -> str:
    return str(getattr(failure.orig, "sqlstate", "") or "")


def _again(failure: DBAPIError) -> bool:
    if isinstance(failure, IntegrityError):
        return violated(failure) == EVENT_ORDER
    return _state(failure) in {_SERIALIZATION_FAILURE, _DEADLOCK}


@asynccontextmanager
async def _named_failures() -> AsyncIterator[None]:
    """A lost connection and a lock not had are answers with names; other failures stay what they are."""
    try:
        yield
    except DBAPIError as failure:
        state = _state(failure)
        if state == _LOCK_NOT_AVAILABLE:
            raise StillRunning from failure
        # Class 08: connection; 57P: the server shuts down or starts; 53300: too many connections.
        if failure.connection_invalidated or state[:2] == "08" or state[:3] == "57P" or state == "53300":
            raise Unavailable from failure
        if not state and type(failure.orig).__name__ in {
            "OperationalError",
            "InterfaceError",
            "ConnectionTimeout",
        }:
            raise Unavailable from failure
        raise
