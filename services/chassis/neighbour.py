"""A program beside the services that calls them under a name of its own: the desk, the contract master (ID-15)."""

from __future__ import annotations

from typing import Self

import grpc

from services.chassis import rpc
from services.chassis.caller import Caller, Signer
from services.chassis.clock import clock_from
from services.chassis.settings import CallerSettings


class Neighbour:
    """One caller with a key of its own; `async with` closes its channels.

    Args:
        name: whose key it is: `desk`.
        settings: with a field `<service>_address` for each service that is called.
    """

    def __init__(self, name: str, settings: CallerSettings) -> None:
        self.clock = clock_from(settings.deployment, settings.clock_file)
        self._settings = settings
        self._signer = Signer(settings.signing_key_file, name, self.clock)
        self._channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, service: str) -> grpc.aio.Channel:
        """A channel whose calls raise `RuumError`s, kept until the end."""
        if service not in self._channels:
            address: str = getattr(self._settings, f"{service}_address")
            self._channels[service] = rpc.channel(address, service, self._signer)
        return self._channels[service]

    def as_operator(self, service: str, operator: str) -> list[tuple[str, str]]:
        """The metadata of a call that an operator makes; only the desk may vouch for one."""
        token, _ = self._signer.sign(Caller("operator", operator), service)
        return [("authorization", f"Bearer {token}")]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_failure: object) -> None:
        await self.close()
