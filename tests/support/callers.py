"""Callers of all kinds with keys of their own, so that a test calls a service as whoever it likes."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import grpc
import pytest

from deploy.local.credentials import Credentials
from services import CONTEXTS
from services.chassis import failures, rpc
from services.chassis.caller import Caller, KeyRing, Signer
from services.chassis.clock import Clock
from services.chassis.errors import RuumError

ISSUERS = (*CONTEXTS, "gateway", "worker", "desk", "contract-master", "campaign-desk")
_VOUCHED_FOR_BY = {"member": "identity", "operator": "desk"}

Metadata = tuple[tuple[str, str], ...]


def member(member_id: str, session: str = "") -> Caller:
    return Caller("member", member_id, session)


def operator(name: str) -> Caller:
    return Caller("operator", name)


def service(name: str) -> Caller:
    return Caller("service", name)


class Keys:
    """A signing key for each issuer, made as a developer's stack makes them."""

    def __init__(self, folder: Path) -> None:
        credentials = Credentials(folder)
        self.private = {name: credentials.signing_key(name) for name in ISSUERS}
        self.public = credentials.public_keys

    def ring(self, clock: Clock) -> KeyRing:
        """What a service checks tokens with."""
        return KeyRing(self.public, clock)

    def signer(self, name: str, clock: Clock) -> Signer:
        """What the process of this name signs with."""
        return Signer(self.private[name], name, clock)

    def token(self, caller: Caller, audience: str, clock: Clock) -> str:
        """Signed by whoever vouches for such a caller: identity, the desk, or the service itself."""
        issuer = _VOUCHED_FOR_BY.get(caller.role, caller.name)
        return self.signer(issuer, clock).sign(caller, audience)[0]

    def metadata(self, caller: Caller, audience: str, clock: Clock, request_id: str = "") -> Metadata:
        """The metadata of a gRPC call by `caller` to the service `audience`."""
        token = ("authorization", f"Bearer {self.token(caller, audience, clock)}")
        return (token, ("x-request-id", request_id)) if request_id else (token,)

    def channel(self, name: str, address: str, audience: str, clock: Clock) -> grpc.aio.Channel:
        """The channel that the process `name` has to `audience`: it shows its own token and raises `RuumError`s."""
        return rpc.channel(address, audience, self.signer(name, clock))


async def refused(call: Awaitable[object]) -> RuumError:
    """What a call over a bare channel is refused with, by its name; fails when it is answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as refusal:
        return failures.failure(refusal)
    pytest.fail(f"answered: {answer}")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))
