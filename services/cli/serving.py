"""`ruum serve`, `ruum worker`, `ruum migrate`: one process of a deployment each; `ruum protos` for developers."""

from __future__ import annotations

import asyncio
import os
from enum import Enum
from importlib import import_module
from typing import Annotated

import typer
import uvloop

app = typer.Typer()


class Context(Enum):
    """Services with data of their own."""

    IDENTITY = "identity"
    ROOMS = "rooms"
    POINTS = "points"
    STORE = "store"
    SPAREKEY = "sparekey"
    NOTIFIER = "notifier"


class Service(Enum):
    """Processes that serve."""

    IDENTITY = "identity"
    ROOMS = "rooms"
    POINTS = "points"
    STORE = "store"
    SPAREKEY = "sparekey"
    NOTIFIER = "notifier"
    GATEWAY = "gateway"


@app.command()
def serve(service: Service) -> None:
    """Runs one service until SIGTERM or Ctrl-C."""
    main = import_module(f"services.{service.value}.main")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main.serve())


@app.command()
def worker() -> None:
    """Runs the workflows and their activities until SIGTERM or Ctrl-C."""
    main = import_module("workflows.worker")
    asyncio.run(main.serve())


@app.command()
def migrate(context: Annotated[list[Context] | None, typer.Argument(help="All when none is named.")] = None) -> None:
    """Brings schemas to their newest version; reads RUUM_<CONTEXT>_MIGRATION_DATABASE_URL of each."""
    from services.chassis import migrate as migrations  # noqa: PLC0415  # Alembic is not needed to serve

    variables = {one.value: f"RUUM_{one.value}_MIGRATION_DATABASE_URL".upper() for one in context or Context}
    missing = [variable for variable in variables.values() if not os.environ.get(variable)]
    if missing:
        raise SystemExit("\n".join(f"{variable} is not set: the role that owns the schema" for variable in missing))
    for name, variable in variables.items():
        migrations.upgrade(name, os.environ[variable])


@app.command()
def protos() -> None:
    """Writes the protobuf modules anew from protos/."""
    from services.chassis import protos as contracts  # noqa: PLC0415  # the compiler is a development tool

    contracts.generate()
