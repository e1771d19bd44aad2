"""Who asks: a session's cookie or bearer token, changed for a short-lived token of each service (PO-02, ID-15)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from ruum.identity.v1 import identity_pb2
from services.chassis.clock import Clock
from services.chassis.errors import Defect, Kind, RuumError
from services.gateway.clients import Services, service_of
from services.gateway.problems import ForgedOrigin, NotSignedIn, SessionOver

SESSION_COOKIE = "__Host-ruum"
CSRF_COOKIE = "__Host-ruum-csrf"
CSRF_HEADER = "x-csrf-token"
_ISSUE = identity_pb2.DESCRIPTOR.services_by_name["IdentityService"].methods_by_name["IssueToken"]
_SAFE = {"GET", "HEAD", "OPTIONS"}
_LENGTHS = range(16, 129)
_RENEWED_BEFORE = timedelta(seconds=15)
_KEPT = 20_000


@dataclass(frozen=True)
class Token:
    """A token of one service, whom it names, and the language that they chose."""

    value: str
    until: datetime
    member_id: str
    session_id: str
    language: str


class Sessions:
    """Changes sessions for tokens, each kept until shortly before its end.

    Args:
        key: makes the CSRF tokens.
    """

    def __init__(self, services: Services, clock: Clock, key: bytes) -> None:
        self._services = services
        self._clock = clock
        self._key = key
        self._tokens: dict[tuple[bytes, str], Token] = {}

    def session_of(self, request: Request) -> str:
        """The session that a request carries.

        Raises:
            NotSignedIn: it carries none.
            ForgedOrigin: a cookie alone would change something: a page of somebody else's could have sent it.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and bearer:
            return bearer.strip()
        session = request.cookies.get(SESSION_COOKIE, "")
        if not session:
            raise NotSignedIn
        if request.method not in _SAFE:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), self.csrf_token(session).encode()):
                raise ForgedOrigin
        return session

    def csrf_token(self, session: str) -> str:
        """What only a page of ours knows beside the session."""
        return hmac.digest(self._key, b"csrf\0" + session.encode(), hashlib.sha256).hex()

    async def token(self, session: str, audience: str) -> Token:
        """A token of the session's member for one service.

        Raises:
            SessionOver: the session has ended.
        """
        key = (hashlib.sha256(session.encode()).digest(), audience)
        kept = self._tokens.get(key)
        if kept is None or kept.until - self._clock.now() <= _RENEWED_BEFORE:
            kept = await self._issue(session, audience)
            if len(self._tokens) >= _KEPT:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[key] = kept
        return kept

    async def _issue(self, session: str, audience: str) -> Token:
        if len(session) not in _LENGTHS:
            raise SessionOver
        asked = identity_pb2.IssueTokenRequest(session_token=session, audience=audience)
        answer: Any = await self._services.call(_ISSUE, asked)
        return Token(
            answer.token, answer.expires_at.ToDatetime(UTC), answer.member_id, answer.session_id, answer.language
        )

    async def call(self, session: str, rpc: MethodDescriptor, message: Message) -> tuple[Token, Any]:
        """Asks as the session's member; with a fresh token where the clock has moved, or identity's key was replaced.

        Raises:
            SessionOver
            RuumError: what the service answered.
            Defect: identity knows the member: it is we who are not believed.
        """
        token = await self.token(session, service_of(rpc))
        try:
            return token, await self._services.call(rpc, message, token.value)
        except RuumError as failure:
            if failure.kind is not Kind.UNAUTHENTICATED:
                raise
        self.forget(token.session_id)
        token = await self.token(session, service_of(rpc))
        try:
            return token, await self._services.call(rpc, message, token.value)
        except RuumError as failure:
            if failure.kind is not Kind.UNAUTHENTICATED:
                raise
            raise Defect from failure

    def forget(self, session_id: str) -> None:
        """The session was ended here: no token of it is used again."""
        for key in [key for key, token in self._tokens.items() if token.session_id == session_id]:
            del self._tokens[key]

    def give_cookies(self, response: Response, session: str, until: datetime) -> None:
        """The front's session: a cookie that scripts cannot read, and beside it the token that proves our page."""
        age = int((until - self._clock.now()).total_seconds())
        for name, value, hidden in ((SESSION_COOKIE, session, True), (CSRF_COOKIE, self.csrf_token(session), False)):
            response.set_cookie(name, value, max_age=age, path="/", secure=True, httponly=hidden, samesite="lax")

    @staticmethod
    def take_cookies(response: Response) -> None:
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            response.delete_cookie(name, path="/", secure=True, samesite="lax")
