"""The requests of each context that are kept (PR-10): `python -m tests.conventions.commands [--write]`.

`docs/commands.txt` holds the name under which each is known and the fields that it must have: a name that goes, or a
field that must be there from now on, would make another request of one that is repeated across the release.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import TypeVar

from services.chassis.idempotency import Command
from tests.conventions.rules import ROOT

LIST = ROOT / "docs/commands.txt"

T = TypeVar("T")


def kept() -> dict[str, set[str]]:
    """Of each, as `points HoldPoints`, the fields without a default."""
    return {f"{kind.__module__.split('.')[1]} {kind.kept_as}": _required(kind) for kind in ours(Command)}


def ours(parent: type[T]) -> Iterator[type[T]]:
    """What the services make of a class of the chassis."""
    for main in sorted((ROOT / "services").glob("*/main.py")):  # what a service is made of
        import_module(".".join(main.relative_to(ROOT).with_suffix("").parts))
    return (kind for kind in _kinds(parent) if kind.__module__.startswith("services.") and _stands_here(kind))


def _stands_here(kind: type[object]) -> bool:
    """The guide's example is a service too, in another folder, for the time of its test."""
    return (ROOT / kind.__module__.replace(".", "/")).with_suffix(".py").is_file()


def written() -> dict[str, set[str]]:
    lines = (line.split() for line in LIST.read_text("utf-8").splitlines())
    return {f"{context} {name}": set(fields) for context, name, *fields in lines}


def _kinds(parent: type[T]) -> Iterator[type[T]]:
    for child in parent.__subclasses__():
        yield child
        yield from _kinds(child)


def _required(kind: type[Command]) -> set[str]:
    return {name for name, field in kind.model_fields.items() if field.is_required()}


if __name__ == "__main__" and "--write" in sys.argv:
    LIST.write_text(
        "".join(f"{' '.join([name, *sorted(fields)])}\n" for name, fields in sorted(kept().items())), "utf-8"
    )
