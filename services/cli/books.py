"""`ruum reconcile`: what all books say together."""

from __future__ import annotations

import asyncio

import typer

from services.cli.asking import Folder, told_by_folder

app = typer.Typer()


@app.command()
def reconcile(folder: Folder = None) -> None:
    """Holds all books against each other; prints every disagreement with its id and then ends with 1."""
    from services.chassis.settings import load  # noqa: PLC0415  # the other commands need none of this
    from services.reconcile.collect import ReconcileSettings, read_by_operator  # noqa: PLC0415  # as above
    from services.reconcile.rules import disagreements  # noqa: PLC0415  # as above

    told_by_folder(folder, "desk")
    found = disagreements(asyncio.run(read_by_operator(load(ReconcileSettings))))
    for one in found:
        print(one)
    if found:
        raise typer.Exit(1)
