"""`ruum events`: the stream of facts, which can be made anew from the outboxes (OP-10)."""

# ruff: noqa: PLC0415  # a service that starts needs nothing of this

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from services import CONTEXTS
from services.cli.asking import Folder, Speaks, found, saying
from services.cli.serving import one_of

app = typer.Typer(no_args_is_help=True)


@app.callback()
def events() -> None:
    """What the contexts tell each other."""


@app.command()
def tell_again(context: Annotated[str, one_of(CONTEXTS)], folder: Folder = None, language: Speaks = "en") -> None:
    """Makes the stream where it was lost and has every event of a context handed on once more.

    Told as the context's service is: RUUM_DATABASE_URL, RUUM_NATS_URL. That service, which must run, hands the events
    on; who takes them knows those that it has. Of a lost stream all contexts have to tell again.
    """
    from services.chassis import retelling
    from services.chassis.settings import load

    if folder is not None:
        os.environ |= found(folder).table.environment.service(context)
    with saying(language):
        told = asyncio.run(retelling.tell_again(context, load(retelling.RetellingSettings)))
    print(f"{context} hands on {told:,} events again")
