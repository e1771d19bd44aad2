"""Who asks: a session's cookie or bearer token, changed for a short-lived token of each service (PO-02, ID-15)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from ruum.identity.v1 import identity_pb2
from services.chassis.clock import Clock
from services.gateway.problems import ForgedOrigin, NotSignedIn

if TYPE_CHECKING:  # the generator writes asynchronous stubs for type checkers only
    from ruum.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub

SESSION_COOKIE = "__Host-ruum"
CSRF_COOKIE = "__Host-ruum-csrf"
CSRF_HEADER = "x-csrf-token"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_RENEWED_BEFORE = timedelta(seconds=15)
_KEPT = 20_000


@dataclass(frozen=True)
class Token:
    """A token of one service, and whom it names."""

    value: str
    until: datetime
    member_id: str


class Sessions:
    """Changes sessions for tokens, each kept until shortly before its end."""

    def __init__(self, identity: IdentityServiceAsyncStub, clock: Clock, key: bytes) -> None:
        self._identity = identity
        self._clock = clock
        self._key = key
        self._tokens: dict[tuple[bytes, str], Token] = {}

    def session_of(self, request: Request) -> str:
        """The session that a request carries; empty when it carries none.

        Raises:
            ForgedOrigin: a cookie alone would change something: a page of somebody else's could have sent it.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and bearer:
            return bearer.strip()
        session = request.cookies.get(SESSION_COOKIE, "")
        if session and request.method not in _SAFE:
            given = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), self.csrf_token(session).encode()):
                raise ForgedOrigin
        return session

    def csrf_token(self, session: str) -> str:
        return hmac.digest(self._key, b"csrf\0" + session.encode(), hashlib.sha256).hex()

    async def token(self, session: str, audience: str) -> Token:
        """A token of the session's member for one service.

        Raises:
            NotSignedIn: there is no session.
            RemoteError: the session has ended.
        """
        if not session:
            raise NotSignedIn
        key = (hashlib.sha256(session.encode()).digest(), audience)
        kept = self._tokens.get(key)
        if kept is not None and kept.until - self._clock.now() > _RENEWED_BEFORE:
            return kept
        answer = await self._identity.IssueToken(
            identity_pb2.IssueTokenRequest(session_token=session, audience=audience)
        )
        if len(self._tokens) >= _KEPT:
            self._tokens.clear()
        token = Token(answer.token, answer.expires_at.ToDatetime(self._clock.now().tzinfo), answer.member_id)
        self._tokens[key] = token
        return token

    def forget(self, session: str) -> None:
        """The session was ended here: nothing of it is used again."""
        digest = hashlib.sha256(session.encode()).digest()
        for key in [key for key in self._tokens if key[0] == digest]:
            del self._tokens[key]

    def give_cookies(self, response: Response, session: str) -> None:
        """The front's session: a cookie that scripts cannot read, and beside it the token that proves our page."""
        age = int(timedelta(days=90).total_seconds())
        for name, value, hidden in ((SESSION_COOKIE, session, True), (CSRF_COOKIE, self.csrf_token(session), False)):
            response.set_cookie(name, value, max_age=age, path="/", secure=True, httponly=hidden, samesite="lax")

    @staticmethod
    def take_cookies(response: Response) -> None:
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            response.delete_cookie(name, path="/", secure=True, samesite="lax")
