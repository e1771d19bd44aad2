"""Sessions: begun by a sign-in, seen and ended by the member, changed for short tokens (ID-14, ID-15)."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.caller import Caller, Signer
from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.chassis.sealing import keyed_digest
from services.identity.journal import domain as journal
from services.identity.journal.models import Happening
from services.identity.models import Language
from services.identity.sessions import repository
from services.identity.sessions.models import Device, Session
from services.identity.settings import Rules

_TOUCHED_EVERY = timedelta(minutes=5)  # not every request writes when the session was used


class SessionOver(RuumError):
    """The session was ended, or its time is over; or there never was one: sign in again.

    Not `CallerUnknown`: the gateway that asks has shown who it is.
    """

    kind = Kind.REFUSED
    code = "session-over"


class SessionEndedAlready(RuumError):
    """It cannot be ended a second time (PR-13)."""

    kind = Kind.REFUSED
    code = "session-ended-already"


class SignedIn(BaseModel):
    """A session has begun: its tokens are shown this once."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["signed-in"] = "signed-in"
    member_id: str
    session_token: str = Field(repr=False)
    device_token: str = Field(repr=False)
    idle_until: datetime
    absolute_until: datetime


class AccessToken(BaseModel):
    """What the gateway shows to one service to speak for a member, for at most two minutes."""

    model_config = ConfigDict(frozen=True)

    token: str = Field(repr=False)
    expires_at: datetime
    member_id: str
    session_id: str
    language: Language


class SessionView(BaseModel):
    """One of a member's sessions.

    Attributes:
        seen_at: its last use, a few minutes coarse.
        current: whether it is the one in which the member asks.
    """

    model_config = ConfigDict(frozen=True)

    session_id: str
    started_at: datetime
    seen_at: datetime
    current: bool


class SignOut(Command):
    """Ends the session that the caller's token names."""


class EndSession(Command):
    session_id: str


class Sessions(Verbs):
    def __init__(self, commands: Commands, rules: Rules, signer: Signer, key: bytes) -> None:
        self.commands = commands
        self._rules = rules
        self._signer = signer
        self._key = key

    async def begin(self, work: Work, member_id: str, device_id: str, device_token: str, why: Happening) -> SignedIn:
        """Begins a session in the transaction of a sign-in: always a new one, with a token of its own (ID-14)."""
        token = secrets.token_urlsafe(32)
        absolute_until = work.now + self._rules.session_absolute
        session = Session.make(
            id=new_id("ses"),
            member_id=member_id,
            device_id=device_id,
            token_digest=self.digest(token),
            started_at=work.now,
            seen_at=work.now,
            idle_until=min(work.now + self._rules.session_idle, absolute_until),
            absolute_until=absolute_until,
        )
        await repository.add(work.tx, session)
        await journal.note(work, why, member_id, session.id)
        return SignedIn(
            member_id=member_id,
            session_token=token,
            device_token=device_token,
            idle_until=session.idle_until,
            absolute_until=absolute_until,
        )

    async def begin_on_new_device(self, work: Work, member_id: str, why: Happening) -> SignedIn:
        """Begins a session on a device that is known from now on."""
        token = secrets.token_urlsafe(32)
        device = Device.make(id=new_id("dev"), member_id=member_id, token_digest=self.digest(token), seen_at=work.now)
        await repository.add_device(work.tx, device)
        return await self.begin(work, member_id, device.id, token, why)

    async def begin_on_known_device(self, work: Work, member_id: str, device_id: str, token: str) -> SignedIn:
        await repository.see_device(work.tx, device_id, work.now)
        return await self.begin(work, member_id, device_id, token, "signed-in")

    async def issue_token(self, session_token: str, audience: str) -> AccessToken:
        """A token that names member, session and audience (ID-15).

        Raises:
            SessionOver
        """
        now = self.commands.clock.now()
        async with self.commands.database.reading() as reading:
            found = await repository.by_token(reading, self.digest(session_token))
            if found is None or not found[0].is_alive(now):
                raise SessionOver
            session, language = found
            unless_since = now - _TOUCHED_EVERY
            # A query may write this: one statement, and nothing else depends on it.
            if session.seen_at <= unless_since:
                await repository.touch(reading, session.id, unless_since, now, now + self._rules.session_idle)
        token, until = self._signer.sign(Caller("member", session.member_id, session.id), audience)
        return AccessToken(
            token=token, expires_at=until, member_id=session.member_id, session_id=session.id, language=language
        )

    @command
    async def sign_out(self, work: Work, _: SignOut) -> None:
        """Ends the caller's own session.

        Raises:
            SessionOver: it has ended already; the token that names it outlives it by up to two minutes.
        """
        if not await repository.end(work.tx, work.caller.name, work.caller.session, work.now):
            raise SessionOver
        await journal.note(work, "signed-out", work.caller.name, work.caller.session)

    @command
    async def end(self, work: Work, asked: EndSession) -> None:
        """Ends one of the caller's sessions, wherever it is used.

        Raises:
            SessionEndedAlready, NotFound
        """
        session_id = asked.session_id
        if not await repository.end(work.tx, work.caller.name, session_id, work.now):
            if await repository.exists(work.tx, work.caller.name, session_id):
                raise SessionEndedAlready(field="session_id")
            raise NotFound(field="session_id")
        await journal.note(work, "session-ended", work.caller.name, session_id)

    async def living(self, caller: Caller, page: Page) -> Listed[SessionView]:
        """The caller's sessions that have not ended, newest first (PR-16)."""
        async with self.commands.database.reading() as reading:
            found = await repository.living(reading, caller.name, self.commands.clock.now(), page)
        return page.listed(found, lambda session: (session.id,)).map(partial(_view, caller))

    def digest(self, token: str) -> str:
        return keyed_digest(token, self._key, "token")


def _view(caller: Caller, session: Session) -> SessionView:
    return SessionView(
        session_id=session.id,
        started_at=session.started_at,
        seen_at=session.seen_at,
        current=session.id == caller.session,
    )
