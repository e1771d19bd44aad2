"""The names under which the requests of each context are known: `python -m tests.conventions.commands [--write]`.

They stand in `docs/commands.txt`. Requests are kept in the database by them (PR-10), so a name that goes is noticed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

from services.chassis.idempotency import Command
from tests.conventions.rules import ROOT

LIST = ROOT / "docs/commands.txt"


def names() -> list[str]:
    """Each as `points HoldPoints`."""
    for main in sorted((ROOT / "services").glob("*/main.py")):  # what a service is made of
        import_module(".".join(main.relative_to(ROOT).with_suffix("").parts))
    return sorted({f"{it.__module__.split('.')[1]} {it.kept_as}" for it in _kinds(Command) if _is_ours(it)})


def _kinds(parent: type[Command]) -> Iterator[type[Command]]:
    for child in parent.__subclasses__():
        yield child
        yield from _kinds(child)


def _is_ours(kind: type[Command]) -> bool:
    return kind.__module__.startswith("services.")


if __name__ == "__main__":
    found = "\n".join(names()) + "\n"
    if "--write" in sys.argv:
        LIST.write_text(found, "utf-8")
    elif found != LIST.read_text("utf-8"):
        raise SystemExit("docs/commands.txt is not what the code says: run it with --write")
