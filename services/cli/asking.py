"""What the commands share that call the services: whose key they show, and what a refusal says."""

# ruff: noqa: PLC0415  # a service that starts needs nothing of this

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.local.stack import Stack
    from services.chassis.errors import RuumError

Folder = Annotated[Path | None, typer.Option(help="Of a stack on this machine; else RUUM_… variables say.")]
Speaks = Annotated[str, typer.Option("--language", help="In which a refusal is said: ja, en or zh.")]
Request = Annotated[
    str, typer.Option("--request", help="The id under which this was asked before: asking again acts once.")
]


def told_by_folder(folder: Path | None, name: str) -> None:
    """On a developer's machine the stack in a folder says what its environment says elsewhere."""
    if folder is not None:
        table = found(folder).table
        os.environ |= table.environment.caller(name) | {"RUUM_TEMPORAL_ADDRESS": table.temporal.address}


def found(folder: Path) -> Stack:
    """The stack of a folder.

    Raises:
        typer.BadParameter: there never was one.
    """
    from deploy.local import stack  # a deployment has no local stack

    try:
        return stack.found(folder)
    except FileNotFoundError:
        raise typer.BadParameter(f"no stack has run in {folder}: start it with ruum up") from None


def request_id(given: str) -> str:
    """Under which id a command is asked; said first, so that it can be repeated whatever happens (PR-10)."""
    from services.chassis.ids import new_id

    chosen = given or new_id("req")
    print(f"to repeat this: --request {chosen}", file=sys.stderr)
    return chosen


@contextmanager
def saying(language: str) -> Iterator[None]:
    """Ends the command with 1 and what a failure says (PR-12).

    Raises:
        typer.Exit: something was refused or could not be done.
    """
    import structlog

    from services.chassis.errors import RuumError

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    except RuumError as failure:
        for line in _lines(failure, language):
            print(line, file=sys.stderr)
        raise typer.Exit(1) from None


def _lines(failure: RuumError, asked: str) -> Iterator[str]:
    from services.texts import Texts, failures, negotiate

    texts, language = Texts.load(), negotiate(asked)
    yield f"{failures.title(texts, failure, language)} [{failure.code}]"
    for wrong in failure.violations:
        yield f"  {wrong.field}: {failures.detail(texts, wrong, language)}"
