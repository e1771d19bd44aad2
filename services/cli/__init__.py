"""`ruum`: the one command (OP-22)."""

from __future__ import annotations

import typer

from services.cli import books, desk, machine, rooms, serving, streaming

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for group in (machine, serving, books):
    app.add_typer(group.app)
app.add_typer(desk.app, name="desk")
app.add_typer(rooms.app, name="rooms")
app.add_typer(streaming.app, name="events")


def main() -> None:
    """The entry point."""
    app()
