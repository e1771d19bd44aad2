from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from tests.sandbox.conftest import sandbox, started_sandbox
from tests.store.world import World, new_member
from tests.support.callers import keys
from tests.support.contexts import migrated

__all__ = ["keys", "sandbox", "started_sandbox"]


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "store") as database:
        yield database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A store whose sweep finds nothing of other tests': their partners are gone."""
    world = World(database)
    yield world
    await world.leave_nothing_open()


@pytest.fixture
def member() -> str:
    return new_member()
