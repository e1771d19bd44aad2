"""Who asks: proved at the door of a service by a short-lived signed token (ID-15)."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64decode
from pydantic import BaseModel, ConfigDict, Field

from services.chassis.clock import Clock
from services.chassis.errors import CallerUnknown

_log = structlog.get_logger()

Role = Literal["member", "operator", "service"]

_ALGORITHM = "Ed25519"
_LIFETIME = timedelta(minutes=2)
_RENEWED_BEFORE = timedelta(seconds=30)
_SKEW = timedelta(seconds=5)
_LATEST = 253_402_300_799 - 86_400  # the last instants that Python can name
_PROOFS_KEPT = 10_000
_ISSUER = re.compile(r"[a-z][a-z-]{0,39}")
# Members are vouched for by identity, operators by the desk, a service by itself.
_VOUCHED_FOR_BY = {"member": "identity", "operator": "desk"}


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

    def sign(self, caller: Caller, audience: str) -> tuple[str, datetime]:
        """A token that names caller, session and audience, and the instant at which it ends."""
        now = self._clock.now()
        until = now + _LIFETIME
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

    def own_token(self, audience: str, *, fresh: bool = False) -> str:
        """A token that says which service we are, kept until shortly before its end, or a fresh one."""
        token, until = self._own.get(audience, ("", datetime.fromtimestamp(0, UTC)))
        if fresh or until - self._clock.now() < _RENEWED_BEFORE:
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
    """The public keys of everybody who signs tokens: a folder with one JWKS file an issuer (ID-15).

    A replaced file counts from the next call on: a new key is known at once, and whoever showed a token of a key that
    is gone is unknown at once.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._issuers: dict[str, _PublicKeys] = {}
        self._proved: dict[tuple[str, str], _Proof] = {}

    def caller(self, token: str, audience: str) -> Caller:
        """Who the token proves the caller to be, here.

        Raises:
            CallerUnknown: it is unsigned, forged, expired, for another audience, or its signer may not say so.
        """
        proof = self._proved.get((token, audience))
        if proof is None or proof.keys is not self._keys(proof.issuer):
            proof = self._prove(token, audience)
            if len(self._proved) >= _PROOFS_KEPT:
                self._proved.clear()
            self._proved[token, audience] = proof
        if self._clock.now() >= proof.until + _SKEW:
            raise CallerUnknown
        return proof.caller

    def _prove(self, token: str, audience: str) -> _Proof:
        try:
            issuer = _unproved_issuer(token)
            keys = self._keys(issuer)
            claims = _Claims.model_validate(jwt.decode(token, keys, algorithms=[_ALGORITHM]).claims)
        except (JoseError, LookupError, ValueError, TypeError, RecursionError) as refused:
            raise CallerUnknown from refused
        begun = datetime.fromtimestamp(claims.iat, UTC)
        if (
            issuer != _VOUCHED_FOR_BY.get(claims.role, claims.sub)
            or claims.aud != audience
            or begun > self._clock.now() + _SKEW
        ):
            raise CallerUnknown
        caller = Caller(claims.role, claims.sub, claims.sid)
        return _Proof(caller, issuer, keys, datetime.fromtimestamp(claims.exp, UTC))

    def _keys(self, issuer: str) -> KeySet:
        known = self._issuers.get(issuer)
        if known is None:
            if not _ISSUER.fullmatch(issuer):
                raise CallerUnknown
            known = _PublicKeys(self._folder / f"{issuer}.json")
            known.current()
            self._issuers[issuer] = known
        return known.current()


class _PublicKeys:
    """One issuer's keys, as its file has them now."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._seen: tuple[int, ...] = ()
        self._keys = KeySet([])

    def current(self) -> KeySet:
        try:
            found = os.stat(self._path)  # noqa: PTH116  # of every call: a Path costs three times as much
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._keys = KeySet.import_key_set(json.loads(Path(self._path).read_bytes()))
                self._seen = seen
        except FileNotFoundError:
            raise CallerUnknown from None
        except (JoseError, LookupError, ValueError, TypeError) as broken:
            _log.exception("public keys cannot be read", caller=Path(self._path).stem)
            raise CallerUnknown from broken
        return self._keys


class _Claims(BaseModel):
    """What a token of ours says; the names are those of RFC 7519."""

    model_config = ConfigDict(strict=True)

    iss: str
    sub: str = Field(min_length=1)
    role: Role
    sid: str
    aud: str
    iat: int = Field(ge=0, le=_LATEST)
    exp: int = Field(ge=0, le=_LATEST)


@dataclass(frozen=True)
class _Proof:
    caller: Caller
    issuer: str
    keys: KeySet
    until: datetime


def _unproved_issuer(token: str) -> str:
    """Whose key to try; nothing else is taken from an unproved token."""
    payload = json.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    return str(payload["iss"])
