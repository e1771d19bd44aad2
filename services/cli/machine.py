"""`ruum up`, `ruum demo` and `ruum seed`: the whole of ruum on this machine."""

# ruff: noqa: PLC0415  # a deployment has no local stack

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.cli.asking import found

app = typer.Typer()

FOLDER = Path(".ruum")

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
    from deploy.local import stack
    from deploy.seed import account

    welcome = None if only else account.prepare
    stack.up(folder, changed_ports=port or (), free_ports=free_ports, only=only or (), welcome=welcome)


@app.command()
def demo(
    folder: Folder = FOLDER,
    port: Port = None,
    free_ports: FreePorts = False,
    once: Annotated[bool, typer.Option(help="Stop everything after the story.")] = False,
) -> None:
    """Lives the spare-key story through on the whole stack and prints what it left behind."""
    from deploy.demo import run
    from deploy.local import ports, stack

    if not once:
        stack.up(folder, changed_ports=port or (), free_ports=free_ports, welcome=run.welcome)
        return
    asyncio.run(run.once(folder, ports.any_free() if free_ports else ports.chosen(port or ())))


@app.command()
def seed(
    folder: Folder = FOLDER,
    size: Annotated[int, typer.Option(help="How many households.", min=1, max=1000)] = 14,
    seed: Annotated[int, typer.Option(help="Another number makes other people.", min=0)] = 1,
) -> None:
    """Settles a town on the stack that runs: buildings, leases, members, and orders as far as each has come.

    The same again changes nothing; more households come beside those that are there.
    """
    import httpx

    from deploy.seed import run
    from services.chassis.errors import Unavailable

    try:
        lines = asyncio.run(run.plant(found(folder), size, seed))
    except* (httpx.TransportError, Unavailable) as away:
        raise SystemExit(f"ruum seed: the stack in {folder} does not answer: start it with ruum up") from away
    print(*lines, sep="\n")
