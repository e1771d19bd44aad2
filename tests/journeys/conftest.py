"""The whole of ruum on this machine, once for all journeys: every process, every server, every stand-in."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import ports, stack
from tests.journeys.town import Town


@pytest.fixture(scope="session")
async def town() -> AsyncIterator[Town]:
    with tempfile.TemporaryDirectory(prefix="ruum-journeys-") as folder:
        async with stack.running(Path(folder), ports.any_free(), tell=lambda _line: None) as running:
            town = await Town.founded(running)
            try:
                yield town
            finally:
                await town.close()
