from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import Postgres
from services.chassis.db import Database
from tests.store.shop import Shop, new_member
from tests.support.callers import keys
from tests.support.contexts import migrated

__all__ = ["keys"]


@pytest.fixture(scope="session")
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    async with migrated(postgres, "store") as database:
        yield database


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


@pytest.fixture
def member() -> str:
    return new_member()
