from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from tests.points.books import disagreements
from tests.points.world import World
from tests.support.callers import keys
from tests.support.contexts import migrated

__all__ = ["keys"]


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "points") as database:
        yield database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Whatever a test did, the books agree afterwards."""
    world = World(database)
    yield world
    assert await disagreements(database) == []
