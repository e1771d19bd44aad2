from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from tests.identity.world import Founded, World
from tests.support.callers import Keys, keys
from tests.support.contexts import empty, migrated

__all__ = ["keys"]


@pytest.fixture(scope="session")
async def migrated_database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "identity") as database:
        yield database


@pytest.fixture
async def database(migrated_database: Database, postgres: Postgres) -> Database:
    """Identity's database with nobody in it."""
    await empty(postgres, "identity")
    return migrated_database


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 5, 1, 3, tzinfo=UTC))


@pytest.fixture
def founded(database: Database, clock: FixedClock, keys: Keys, tmp_path: Path) -> Iterator[Founded]:
    """Makes worlds with other choices on the same database, as other processes would be."""
    worlds: list[World] = []

    def make(**rules: Any) -> World:
        worlds.append(World(database, clock, keys, tmp_path, **rules))
        return worlds[-1]

    yield make
    for world in worlds:
        world.passwords.close()


@pytest.fixture
def world(founded: Founded) -> World:
    return founded()
