from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from services.texts import Texts
from tests.sparekey.world import World, master_keys
from tests.support.callers import keys
from tests.support.contexts import migrated

__all__ = ["keys"]

TEXTS = Texts.load().codes("ja")


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "sparekey") as database:
        yield database


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return master_keys(tmp_path_factory.mktemp("master-keys"))


@pytest.fixture
async def world(database: Database, keys_file: Path) -> AsyncIterator[World]:
    """A member with a room, on the first of April 2026 at noon."""
    world = World(database, keys_file)
    yield world
    rooms = [room_id for _, room_id in world.rooms.leases]
    orders = await world.rows("select reason from sparekey.cases where room_id = any(:rooms)", rooms=rooms)
    reasons = {f"key-reason-{order.reason}" for order in orders if order.reason}
    assert reasons - TEXTS.keys() == set(), "the text of a reason stands in sparekey.po (SK-40)"
