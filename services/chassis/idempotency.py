"""Every command once (PR-10): its request id, its effect and its answer are committed together.

class Points(Verbs):
    @command
    async def hold(self, work: Work, command: HoldPoints) -> HoldView: ...

await points.hold(caller, HoldPoints(request_id=…, …))

What a verb learnt elsewhere before its transaction is handed to it beside the command, and is no part of the request.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, get_type_hints

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.clock import Clock
from services.chassis.db import Database, lock_not_had
from services.chassis.errors import AsOfNotAllowed, RequestReused, StillRunning
from services.chassis.events import Beside, Event, Outbox, ProcessLine

_NONCE_BYTES = 12


class Command(BaseModel):
    """What somebody wants done. Immutable; its `request_id` makes a repeat known.

    Attributes:
        request_id: chosen by the caller, scoped by caller, command and `of_whom`.
        as_of: the worker's time; everybody else's is the clock's (PR-05).
        kept_as: the name under which its requests are known; the class's own, unless it says otherwise. Whoever
            renames the class keeps the old name here: a request that is repeated across the release would act twice.
    """

    model_config = ConfigDict(frozen=True)

    kept_as: ClassVar[str]

    request_id: str
    as_of: AwareDatetime | None = None

    @property
    def of_whom(self) -> str:
        """Whom a service asks for when it asks in its own name; keeps their request ids apart."""
        return ""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "kept_as" not in vars(cls):
            cls.kept_as = cls.__name__


@dataclass
class Work:
    """One command's transaction, and what it tells when it commits.

    Attributes:
        tx: the session, in its transaction.
        caller: who asks.
        now: the instant that everything in this transaction is stamped with.
        events: what was told so far; published when it commits.
        lines: what workflows are to be told, as `events`.
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

    @property
    def wakes(self) -> tuple[str, ...]:
        """The kinds of outbox rows that this leaves, for the relays that hand them on."""
        written = {"event": self.events, "process": self.lines}
        return tuple(kind for kind, rows in written.items() if rows)


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


_CLAIM = """
insert into {requests} (principal, command, request_id, digest, answer, asked_at)
values (:principal, :command, :request_id, :digest, '', :now)
on conflict do nothing returning true
"""
_LOOK = """
select digest, answer from {requests}
where principal = :principal and command = :command and request_id = :request_id
"""
_KEEP = """
update {requests} set answer = :answer
where principal = :principal and command = :command and request_id = :request_id
"""


class Commands:
    """Runs commands in transactions of their own, each once."""

    def __init__(self, database: Database, outbox: Outbox, requests: sa.Table, key: bytes, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._outbox = outbox
        self._key = key
        self._claim = sa.text(_CLAIM.format(requests=requests))
        self._look = sa.text(_LOOK.format(requests=requests))
        self._keep = _KEEP.format(requests=requests)

    async def run(
        self,
        caller: Caller,
        command: Command,
        answer: TypeAdapter[Any],
        verb: Callable[[Work], Awaitable[Any]],
    ) -> Any:
        """Carries `verb` out and keeps its answer, or gives the kept answer of the same request.

        A refusal leaves nothing behind: the same request may be made again when its reason is gone.

        Raises:
            RequestReused: the request id came before with other content.
            StillRunning: the same request has been under way for five seconds.
            AsOfNotAllowed: another than the worker states a time (PR-05).
        """
        if command.as_of is not None and not caller.is_one_of(["worker"]):
            raise AsOfNotAllowed(field="as_of")
        content = _Content(self._key, caller, command)

        async def once(tx: AsyncSession) -> tuple[Any, tuple[str, ...]]:
            if not await self._claimed(tx, content):
                return answer.validate_json(await self._kept(tx, content)), ()
            work = Work(tx, caller, command.as_of or self.clock.now())
            given = await verb(work)
            kept = Beside(self._keep, content.place | {"answer": content.sealed(answer.dump_json(given))})
            await self._outbox.write(tx, work.events, work.lines, work.now, kept)
            return given, work.wakes

        given, wakes = await self.database.transact(once)
        self._outbox.wake(*wakes)
        return given

    async def _claimed(self, tx: AsyncSession, content: _Content) -> bool:
        """Takes the request id; waits while the same request is under way, and is told when it was carried out."""
        row = content.place | {"digest": content.digest, "now": self.clock.now()}
        try:
            taken = await tx.execute(self._claim, row)
        except DBAPIError as failure:
            if lock_not_had(failure):
                raise StillRunning from failure
            raise
        return taken.first() is not None

    async def _kept(self, tx: AsyncSession, content: _Content) -> bytes:
        digest, sealed = (await tx.execute(self._look, content.place)).one()
        if not hmac.compare_digest(digest, content.digest):
            raise RequestReused
        return content.opened(sealed)


class _Content:
    """A request's place and keyed digest; its answer can be read only by whoever asks the very same again."""

    def __init__(self, key: bytes, caller: Caller, command: Command) -> None:
        self._secret = key
        self.place = {
            "principal": caller.principal + self._stranger(command.of_whom),
            "command": command.kept_as,
            "request_id": command.request_id,
        }
        # Without defaults: a field that the next release adds makes no other request of what is repeated across it.
        said = command.model_dump_json(exclude={"request_id", "as_of"}, exclude_defaults=True)
        self._text = said.encode()

    @cached_property
    def digest(self) -> bytes:
        return self._hash(b"digest")

    def sealed(self, answer: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._hash(b"answer")).encrypt(nonce, answer, None)

    def opened(self, sealed: bytes) -> bytes:
        return AESGCM(self._hash(b"answer")).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)

    def _stranger(self, of_whom: str) -> str:
        if not of_whom:
            return ""
        return "/" + hmac.digest(self._secret, b"of whom\0" + of_whom.encode(), "sha256").hex()

    def _hash(self, purpose: bytes) -> bytes:
        place = "\0".join(self.place.values()).encode()
        return hmac.digest(self._secret, b"\0".join((purpose, place, self._text)), "sha256")


class Verbs:
    """Parent of a domain class whose verbs are commands: `command` runs them by its `commands`."""

    commands: Commands


V = TypeVar("V", bound=Verbs)
C = TypeVar("C", bound=Command)
A = TypeVar("A")
L = ParamSpec("L")


def command(
    verb: Callable[Concatenate[V, Work, C, L], Coroutine[Any, Any, A]],
) -> Callable[Concatenate[V, Caller, C, L], Coroutine[Any, Any, A]]:
    """Makes a verb that is given its transaction into one that is asked by a caller: once, whatever happens (PR-10).

    The answer's type is taken from the verb's annotation: pydantic must be able to write and read it as JSON.
    """

    @cache
    def answer() -> TypeAdapter[Any]:
        return TypeAdapter(get_type_hints(verb)["return"])

    @wraps(verb)
    async def once(self: V, caller: Caller, asked: C, /, *learnt: L.args, **named: L.kwargs) -> A:
        given: A = await self.commands.run(
            caller, asked, answer(), lambda work: verb(self, work, asked, *learnt, **named)
        )
        return given

    return once
