"""NATS servers of tests: the one that all share, and those of tests that spoil theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.child import running
from deploy.local.nats import USERS, Nats
from deploy.local.ports import free_port


def stopped(folder: Path) -> Nats:
    """NATS with JetStream and a user for every context, not durable, which does not run yet."""
    passwords = {name: f"{name}-test" for name in USERS}
    return Nats(folder / "nats", free_port(), passwords, log=folder / "nats.log", durable=False)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Nats]:
    server = stopped(folder)
    async with running(server.program()):
        yield server
