"""Who visits, as far as the network tells: the request's id, and the client without its address (PO-02, ID-05)."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from services.chassis.ids import new_id

# What callers may choose themselves: random ids, which say nothing of anybody in our logs (OP-03).
_REQUEST_ID = re.compile(r"req_[0-9a-hjkmnp-tv-z]{26}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KNOWN = 50_000
_HOME_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Visit:
    """One request.

    Attributes:
        request_id: stands in every log line of every service that it reaches.
        client: a keyed digest of the client's network address.
    """

    request_id: str
    client: str


class Visits:
    """Recognises visitors.

    Args:
        key: keys the digest by which services know a client without its address.
        proxies: how many proxies of ours stand in front: so many of the last forwarded addresses are true.
    """

    def __init__(self, key: bytes, proxies: int) -> None:
        self._key = key
        self._proxies = proxies
        self._client = lru_cache(_KNOWN)(self._digest)

    def of(self, scope: Scope, headers: Headers) -> Visit:
        asked = headers.get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else new_id("req")
        return Visit(request_id, self._client(self._address(scope, headers)))

    def _address(self, scope: Scope, headers: Headers) -> str:
        if self._proxies:
            forwarded = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")]
            if len(forwarded) >= self._proxies:
                return forwarded[-self._proxies]
        return str(scope["client"][0]) if scope.get("client") else ""

    def _digest(self, address: str) -> str:
        return hmac.digest(self._key, b"client\0" + _home(address).encode(), hashlib.sha256).hex()[:32]


def _home(address: str) -> str:
    """The address, or the network of one household where it has as many addresses as it likes."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Address(int(found) >> _HOME_PREFIX << _HOME_PREFIX))


def visit_of(scope: Scope) -> Visit:
    """The visit that the edge has noted."""
    visit: Visit = scope["ruum.visit"]
    return visit
