from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from services.chassis.db import Database
from tests.sparekey.conftest import database, keys_file
from tests.support.callers import Keys
from tests.workflows.sparekey_order.joined import Joined, joined

__all__ = ["database", "keys_file"]


@pytest.fixture
async def here(database: Database, keys_file: Path, keys: Keys, dev: Client) -> AsyncIterator[Joined]:
    """The real spare-key service and its processes on the real development server."""
    async with joined(database, keys_file, keys, dev) as here:
        yield here
