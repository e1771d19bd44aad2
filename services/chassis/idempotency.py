"""Every command once (PR-10): its request id, its effect and its answer are committed together.

class Points(Verbs):
    @command
    async def hold(self, work: Work, command: HoldPoints) -> HoldView: ...

await points.hold(caller, HoldPoints(request_id=…, …))
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, wraps
from typing import Any, Concatenate, TypeVar, get_type_hints

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database
from services.chassis.errors import RequestReused
from services.chassis.events import Event, Outbox, ProcessLine

_NONCE = b"\0" * 12  # each key below seals one answer only


class Command(BaseModel):
    """What somebody wants done. Immutable; its `request_id` makes a repeat known.

    Attributes:
        request_id: chosen by the caller, scoped by caller and command.
        as_of: the worker's time; everybody else's is the clock's (PR-05).
    """

    model_config = ConfigDict(frozen=True)

    request_id: str
    as_of: datetime | None = None


@dataclass
class Work:
    """One command's transaction, and what it tells when it commits.

    Attributes:
        tx: the session, in its transaction.
        caller: who asks.
        now: the instant that everything in this transaction is stamped with.
    """

    tx: AsyncSession
    caller: Caller
    now: datetime
    events: list[Event] = field(default_factory=list)
    lines: list[ProcessLine] = field(default_factory=list)

    def tell(self, *events: Event) -> None:
        """Facts that hold once this transaction is committed."""
        self.events += events

    def run(self, *lines: ProcessLine) -> None:
        """Workflows that must be started or told of this transaction."""
        self.lines += lines


def requests_table(metadata: sa.MetaData) -> sa.Table:
    """Which commands were carried out, with the answers that they were given."""
    return sa.Table(
        "requests",
        metadata,
        sa.Column("principal", sa.Text, primary_key=True),
        sa.Column("command", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
    )


class Commands:
    """Runs commands in transactions of their own, each once."""

    def __init__(self, database: Database, outbox: Outbox, requests: sa.Table, key: bytes, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._outbox = outbox
        self._requests = requests
        self._key = key

    async def run(
        self,
        caller: Caller,
        command: Command,
        answer: TypeAdapter[Any],
        verb: Callable[[Work], Awaitable[Any]],
    ) -> Any:
        """Carries `verb` out and keeps its answer, or gives the kept answer of the same request.

        Raises:
            RequestReused: the request id came before with other content.
            StillRunning: the same request has been under way for five seconds.
        """
        content = _Content(self._key, caller, command)

        async def once(tx: AsyncSession) -> Any:
            if not await self._claimed(tx, content):
                return answer.validate_json(await self._kept(tx, content))
            work = Work(tx, caller, command.as_of or self.clock.now())
            given = await verb(work)
            await self._outbox.write(tx, work.events, work.lines, work.now)
            await self._keep(tx, content, answer.dump_json(given))
            return given

        given = await self.database.transact(once)
        self._outbox.wake()
        return given

    async def _claimed(self, tx: AsyncSession, content: _Content) -> bool:
        """Takes the request id; waits while the same request is under way, and is told when it was carried out."""
        row = content.key | {"digest": content.digest, "answer": b"", "asked_at": self.clock.now()}
        taken = insert(self._requests).values(row).on_conflict_do_nothing().returning(self._requests.c.request_id)
        return (await tx.execute(taken)).first() is not None

    async def _kept(self, tx: AsyncSession, content: _Content) -> bytes:
        t = self._requests.c
        digest, sealed = (await tx.execute(sa.select(t.digest, t.answer).where(*self._same(content)))).one()
        if not hmac.compare_digest(digest, content.digest):
            raise RequestReused
        return content.seal.decrypt(_NONCE, sealed, None)

    async def _keep(self, tx: AsyncSession, content: _Content, answer: bytes) -> None:
        sealed = content.seal.encrypt(_NONCE, answer, None)
        await tx.execute(sa.update(self._requests).where(*self._same(content)).values(answer=sealed))

    def _same(self, content: _Content) -> Sequence[sa.ColumnElement[bool]]:
        return [self._requests.c[name] == value for name, value in content.key.items()]


class _Content:
    """A request's place and keyed digest; its answer can be read only by whoever asks the very same again."""

    def __init__(self, key: bytes, caller: Caller, command: Command) -> None:
        self.key = {
            "principal": caller.principal,
            "command": type(command).__name__,
            "request_id": command.request_id,
        }
        self._secret = key
        self._text = command.model_dump_json(exclude={"request_id", "as_of"}).encode()

    @cached_property
    def digest(self) -> bytes:
        return self._hash(b"digest")

    @cached_property
    def seal(self) -> AESGCM:
        return AESGCM(self._hash(b"answer"))

    def _hash(self, purpose: bytes) -> bytes:
        place = "\0".join(self.key.values()).encode()
        return hmac.digest(self._secret, b"\0".join((purpose, place, self._text)), hashlib.sha256)


class Verbs:
    """Parent of a context's domain: whose verbs are commands."""

    commands: Commands


V = TypeVar("V", bound=Verbs)
C = TypeVar("C", bound=Command)
A = TypeVar("A")


def command(
    verb: Callable[[V, Work, C], Coroutine[Any, Any, A]],
) -> Callable[Concatenate[V, Caller, C, ...], Coroutine[Any, Any, A]]:
    """Makes a verb that is given its transaction into one that is asked by a caller: once, whatever happens (PR-10).

    The answer's type is taken from the verb's annotation: pydantic must be able to write and read it as JSON.
    """
    kept: list[TypeAdapter[Any]] = []

    @wraps(verb)
    async def once(self: V, caller: Caller, asked: C) -> A:
        if not kept:
            kept.append(TypeAdapter(get_type_hints(verb)["return"]))
        given: A = await self.commands.run(caller, asked, kept[0], lambda work: verb(self, work, asked))
        return given

    return once
