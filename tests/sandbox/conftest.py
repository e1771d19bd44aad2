from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.harness import Sandbox, receiving


@pytest.fixture(scope="session")
async def started_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    async with receiving() as receiver:
        sandbox = Sandbox(folder, receiver)
        await sandbox.start()
        yield sandbox
        await sandbox.close()


@pytest.fixture
async def sandbox(started_sandbox: Sandbox) -> Sandbox:
    """The stand-ins with empty books, nothing received, every partner well."""
    await started_sandbox.press("reset")
    started_sandbox.receiver.received.clear()
    started_sandbox.receiver.statuses.clear()
    return started_sandbox
