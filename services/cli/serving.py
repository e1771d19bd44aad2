"""`ruum serve`, `ruum worker`, `ruum migrate`: one process of a deployment each; `ruum protos` for developers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
import uvloop

from services import CONTEXTS

app = typer.Typer()


def one_of(names: Sequence[str]) -> Any:
    """An argument that is one of these names."""

    def known(name: str) -> str:
        if name not in names:
            raise typer.BadParameter(f"{name} is none of {', '.join(names)}")
        return name

    return typer.Argument(parser=known, metavar="|".join(names))


@app.command()
def serve(service: Annotated[str, one_of([*CONTEXTS, "gateway"])]) -> None:
    """Runs one service until SIGTERM or Ctrl-C."""
    main = import_module(f"services.{service}.main")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main.serve())


@app.command()
def worker() -> None:
    """Runs the workflows and their activities until SIGTERM or Ctrl-C."""
    main = import_module("workflows.worker")
    asyncio.run(main.serve())


@app.command()
def migrate(
    context: Annotated[list[str] | None, one_of(CONTEXTS)] = None,
) -> None:
    """Brings schemas to their newest version, all when none is named; reads RUUM_<CONTEXT>_MIGRATION_DATABASE_URL."""
    from services.chassis import migrate as migrations  # noqa: PLC0415  # Alembic is not needed to serve

    variables = {one: f"RUUM_{one}_MIGRATION_DATABASE_URL".upper() for one in context or CONTEXTS}
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
