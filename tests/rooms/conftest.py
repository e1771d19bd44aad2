from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from tests.rooms.world import World
from tests.support.contexts import migrated


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "rooms") as database:
        yield database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)
