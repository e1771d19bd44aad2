"""Migrations of one context: its own schema, its own version table, its own owner's role."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config

SERVICES = Path(__file__).resolve().parents[1]


def upgrade(name: str, url: str) -> None:
    """Brings the schema of a context to its newest version.

    Args:
        name: the context: `points`.
        url: of the role that owns its schema.
    """
    command.upgrade(_config(name, url), "head")


def _config(name: str, url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SERVICES / name / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["context"] = name
    config.attributes["url"] = url
    return config


def run() -> None:
    """What each context's `migrations/env.py` calls: runs the versions in one transaction under a lock."""
    name, url = context.config.attributes["context"], context.config.attributes["url"]
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {name}"})
        context.configure(connection=connection, version_table="schema_version", version_table_schema=name)
        context.run_migrations()
    engine.dispose()
