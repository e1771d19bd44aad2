"""Who asks: proved at the door of a service by a short-lived signed token (ID-15)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from services.chassis.clock import Clock
from services.chassis.errors import CallerUnknown

Role = Literal["member", "operator", "service"]

_ALGORITHM = "Ed25519"
_LIFETIME = timedelta(minutes=2)
_RENEWED_BEFORE = timedelta(seconds=30)
_SKEW = timedelta(seconds=5)
# Who may speak for whom: members are vouched for by identity, operators by the desk, a service by itself.
_ISSUERS = {"member": "identity", "operator": "desk"}


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        role: member, operator or service.
        name: the member's id, the operator's id, or the service's name.
        session: a member's session.
    """

    role: Role
    name: str
    session: str = ""

    @cached_property
    def principal(self) -> str:
        """Scopes request ids, and stands in audit tables: `member:mem_…`."""
        return f"{self.role}:{self.name}"

    def is_one_of(self, callers: Iterable[str]) -> bool:
        """Whether a method that lists these callers is open to this one (PR-11)."""
        return (self.name if self.role == "service" else self.role) in callers


class Signer:
    """Signs tokens with the private key of this process, re-read when the file is replaced (rotation, ID-15)."""

    def __init__(self, key_file: Path, issuer: str, clock: Clock) -> None:
        self.issuer = issuer
        self._key_file = key_file
        self._clock = clock
        self._read_at = 0
        self._own: dict[str, tuple[str, datetime]] = {}
        self._key = self._load()

    def sign(self, caller: Caller, audience: str, lifetime: timedelta = _LIFETIME) -> tuple[str, datetime]:
        """A token that names caller, session and audience, and the instant at which it ends."""
        now = self._clock.now()
        until = now + lifetime
        claims = {
            "iss": self.issuer,
            "sub": caller.name,
            "role": caller.role,
            "sid": caller.session,
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int(until.timestamp()),
            "jti": secrets.token_hex(8),
        }
        key = self._current()
        header = {"alg": _ALGORITHM, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[_ALGORITHM]), until

    def own_token(self, audience: str) -> str:
        """A token that says which service we are, kept until shortly before its end."""
        token, until = self._own.get(audience, ("", datetime.fromtimestamp(0, UTC)))
        if until - self._clock.now() < _RENEWED_BEFORE:
            token, until = self.sign(Caller("service", self.issuer), audience)
            self._own[audience] = token, until
        return token

    def _current(self) -> OKPKey:
        if self._key_file.stat().st_mtime_ns != self._read_at:
            self._key = self._load()
        return self._key

    def _load(self) -> OKPKey:
        self._read_at = self._key_file.stat().st_mtime_ns
        return OKPKey.import_key(json.loads(self._key_file.read_text()))


class KeyRing:
    """The public keys of everybody who signs tokens: one JWKS file an issuer, re-read when a key is not known."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._keys: dict[str, KeySet] = {}
        self._proved: dict[tuple[str, str], tuple[Caller, datetime]] = {}

    def caller(self, token: str, audience: str) -> Caller:
        """Who the token proves the caller to be, here.

        Raises:
            CallerUnknown: it is unsigned, forged, expired, for another audience, or its signer may not say so.
        """
        now = self._clock.now()
        known = self._proved.get((token, audience))
        if known is None:
            known = self._prove(token, audience)
            if len(self._proved) > 10_000:  # noqa: PLR2004  # bounds memory: a proof is cheap to make again
                self._proved.clear()
            self._proved[token, audience] = known
        caller, until = known
        if now >= until + _SKEW:
            raise CallerUnknown
        return caller

    def _prove(self, token: str, audience: str) -> tuple[Caller, datetime]:
        try:
            issuer = _unproved_issuer(token)
            claims = self._decode(token, issuer)
            caller = Caller(claims["role"], claims["sub"], claims["sid"])
            until = datetime.fromtimestamp(claims["exp"], UTC)
            begun = datetime.fromtimestamp(claims["iat"], UTC)
        except (JoseError, KeyError, ValueError, TypeError) as refused:
            raise CallerUnknown from refused
        speaks_for = _ISSUERS.get(caller.role, caller.name)
        if issuer != speaks_for or claims.get("aud") != audience or begun > self._clock.now() + _SKEW:
            raise CallerUnknown
        return caller, until

    def _decode(self, token: str, issuer: str) -> dict[str, Any]:
        """Claims under a proved signature; the key set is read again once, for a key that is new."""
        if issuer in self._keys:
            try:
                return jwt.decode(token, self._keys[issuer], algorithms=[_ALGORITHM]).claims
            except (JoseError, ValueError):
                pass
        path = self._folder / f"{issuer}.json"
        if not issuer.replace("-", "").isalnum() or not path.is_file():
            raise CallerUnknown
        self._keys[issuer] = KeySet.import_key_set(json.loads(path.read_text()))
        return jwt.decode(token, self._keys[issuer], algorithms=[_ALGORITHM]).claims


def _unproved_issuer(token: str) -> str:
    """Whose key to try; nothing else is taken from an unproved token."""
    from joserfc.util import urlsafe_b64decode  # noqa: PLC0415  # the one place that looks inside

    payload = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    return str(payload["iss"])
