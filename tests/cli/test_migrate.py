from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from deploy.local.postgres import Postgres
from services import CONTEXTS


def migrate(urls: dict[str, str], *contexts: str) -> subprocess.CompletedProcess[str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith("RUUM_")}
    told |= {f"RUUM_{context}_MIGRATION_DATABASE_URL".upper(): url for context, url in urls.items()}
    command = [sys.executable, "-m", "services.cli", "migrate", *contexts]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)


def owners(postgres: Postgres, *contexts: str) -> dict[str, str]:
    return {context: postgres.url(f"{context}_owner") for context in contexts}


async def test_one_process_brings_every_schema_to_its_newest_version_as_its_owner(postgres: Postgres) -> None:
    migrated = migrate(owners(postgres, *CONTEXTS))

    assert migrated.returncode == 0, migrated.stderr
    for context in CONTEXTS:
        async with await psycopg.AsyncConnection.connect(postgres.dsn(f"{context}_owner")) as owner:
            found = await owner.execute(
                "select tableowner from pg_tables where schemaname = %s and tablename = 'schema_version'", [context]
            )
            assert await found.fetchone() == (f"{context}_owner",)


def test_named_contexts_need_no_others_owner(postgres: Postgres) -> None:
    assert migrate(owners(postgres, "points", "rooms"), "points", "rooms").returncode == 0


@pytest.mark.rule("QA-16")
def test_a_missing_owner_stops_it_by_name_before_anything_is_migrated() -> None:
    refused = migrate({"points": "postgresql+psycopg://nobody@127.0.0.1:1/none"}, "points", "rooms")

    assert refused.returncode == 1
    assert refused.stderr == "RUUM_ROOMS_MIGRATION_DATABASE_URL is not set: the role that owns the schema\n"
