"""`ruum`: the one command (OP-22)."""

from __future__ import annotations

import asyncio
import os
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
import uvloop

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


FOLDER = Path(".ruum")


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


Folder = Annotated[Path, typer.Option(help="Where all data of the stack stays.")]
Port = Annotated[list[str] | None, typer.Option(help="Another port for a part: gateway=9000. May be repeated.")]
FreePorts = Annotated[bool, typer.Option(help="Take any free port for every part.")]


@app.command()
def up(
    folder: Folder = FOLDER,
    port: Port = None,
    free_ports: FreePorts = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this part of the table. May be repeated.")] = None,
) -> None:
    """Runs all of ruum on this machine until Ctrl-C."""
    from deploy.demo import run  # noqa: PLC0415  # a deployment has no local stack
    from deploy.local import stack  # noqa: PLC0415  # as above

    welcome = None if only else run.prepare
    stack.up(folder, changed_ports=port or (), free_ports=free_ports, only=only or (), welcome=welcome)


@app.command()
def demo(
    folder: Folder = FOLDER,
    port: Port = None,
    free_ports: FreePorts = False,
    once: Annotated[bool, typer.Option(help="Stop everything after the story.")] = False,
) -> None:
    """Lives the spare-key story through on the whole stack and prints what it left behind."""
    from deploy.demo import run  # noqa: PLC0415  # a deployment has no local stack
    from deploy.local import ports, stack  # noqa: PLC0415  # as above

    if not once:
        stack.up(folder, changed_ports=port or (), free_ports=free_ports, welcome=run.welcome)
        return
    asyncio.run(run.once(folder, ports.any_free() if free_ports else ports.chosen(port or ())))


@app.command()
def reconcile(
    folder: Annotated[Path | None, typer.Option(help="Of a stack on this machine; else RUUM_… variables say.")] = None,
) -> None:
    """Holds all books against each other; prints every disagreement with its id and then ends with 1."""
    from services.chassis.settings import load  # noqa: PLC0415  # the other commands need none of this
    from services.reconcile.collect import Collector, ReconcileSettings  # noqa: PLC0415  # as above
    from services.reconcile.rules import disagreements  # noqa: PLC0415  # as above

    if folder is not None:
        from deploy.local import stack  # noqa: PLC0415  # a deployment has no local stack

        table = stack.found(folder).table
        os.environ |= table.environment.caller("desk")
        os.environ |= {"RUUM_TEMPORAL_ADDRESS": table.temporal.address}
    found = disagreements(asyncio.run(Collector(load(ReconcileSettings)).collect()))
    for one in found:
        print(one)
    if found:
        raise typer.Exit(1)


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

    names = [one.value for one in context or Context]
    urls = {name: os.environ.get(f"RUUM_{name}_MIGRATION_DATABASE_URL".upper(), "") for name in names}
    missing = [f"RUUM_{name}_MIGRATION_DATABASE_URL".upper() for name in names if not urls[name]]
    if missing:
        raise SystemExit("\n".join(f"{name} is not set: the role that owns the schema" for name in missing))
    for name, url in urls.items():
        migrations.upgrade(name, url)


@app.command()
def protos() -> None:
    """Writes the protobuf modules anew from protos/."""
    from services.chassis import protos as contracts  # noqa: PLC0415  # the compiler is a development tool

    contracts.generate()


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
