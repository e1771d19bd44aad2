# ruff: noqa: INP001  # Alembic finds this by its path

from services.chassis.migrate import run

run()
