"""NATS with JetStream, each context able to publish only what is its own (OP-10)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import nats
import nats.errors
import nats.js.errors

from deploy.local.child import Program, installed
from deploy.local.ports import LOOPBACK
from services import CONTEXTS

ADMIN = "admin"
READER = "gateway"
"""Hears what all contexts tell, for members who watch (PO-03), and tells nothing."""
USERS = (ADMIN, READER, *CONTEXTS)

# What publishing and consuming ask of JetStream. A context cannot change, empty or delete the stream, nor
# read another's subjects past its consumers; making the stream where it is missing does no harm.
_JETSTREAM = (
    "$JS.API.INFO",
    "$JS.API.STREAM.CREATE.ruum",
    "$JS.API.STREAM.INFO.>",
    "$JS.API.STREAM.NAMES",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.MSG.NEXT.>",
    "$JS.ACK.>",
)
# A consumer without a name belongs to whoever made it: the reader can neither take from a context's nor change it.
_READING = ("$JS.API.STREAM.INFO.ruum", "$JS.API.CONSUMER.CREATE.ruum")
_INBOX = "_INBOX.>"


class Nats:
    """One server on a loopback port; every acknowledged message is on the disk."""

    def __init__(
        self, folder: Path, port: int, passwords: Mapping[str, str], *, log: Path, durable: bool = True
    ) -> None:
        """`passwords` (URL-safe: the client takes them as they stand) has one for each of `USERS`."""
        self.port = port
        self._folder = folder
        self._passwords = passwords
        self._log = log
        self._durable = durable

    def url(self, user: str) -> str:
        """Where this user connects, the password included."""
        return f"nats://{user}:{self._passwords[user]}@{LOOPBACK}:{self.port}"

    def program(self) -> Program:
        return Program(
            name="nats",
            argv=(installed("nats-server"), "--config", str(self._config)),
            log=self._log,
            ready=self._ready,
            prepare=self.write_config,
        )

    async def create_stream(self) -> None:
        """Make the stream of all contexts' events, where it is missing (OP-10)."""
        # A second of imports, which must not hold up the other servers' start.
        stream = await asyncio.to_thread(import_module, "services.chassis.stream")
        client = await stream.connect(self.url(ADMIN), ADMIN)
        await stream.ensure_stream(client)
        await client.close()

    @property
    def _config(self) -> Path:
        return self._folder / "nats.conf"

    async def write_config(self) -> None:
        """Say on disk how the server is to run, passwords included, for its owner's eyes only."""
        jetstream = {"store_dir": str(self._folder), **({"sync_interval": "always"} if self._durable else {})}
        config = {
            "server_name": "ruum",
            "listen": f"{LOOPBACK}:{self.port}",
            "jetstream": jetstream,
            "authorization": {"users": [_user(name, password) for name, password in self._passwords.items()]},
        }
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps(config, indent=2, ensure_ascii=False))

    async def _ready(self) -> bool:
        try:
            connection = await nats.connect(
                self.url(ADMIN),
                connect_timeout=1,
                max_reconnect_attempts=1,
                reconnect_time_wait=0.02,
                error_cb=_expected_while_starting,
            )
        except (OSError, nats.errors.Error):
            return False
        try:
            await connection.jetstream().account_info()
        except (nats.errors.Error, nats.js.errors.Error):
            return False
        finally:
            await connection.close()
        return True


def _user(name: str, password: str) -> dict[str, object]:
    user: dict[str, object] = {"user": name, "password": password}
    if name != ADMIN:
        publish = _READING if name == READER else (f"ruum.{name}.>", *_JETSTREAM)
        user["permissions"] = {"publish": {"allow": publish}, "subscribe": {"allow": [_INBOX]}}
    return user


async def _expected_while_starting(_: Exception) -> None:
    """A server that comes up refuses a while; the caller sees the same from the failed connect."""
