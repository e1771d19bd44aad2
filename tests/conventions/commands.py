"""The requests of each context that are kept (PR-10): `python -m tests.conventions.commands [--write]`.

`docs/commands.txt` holds the name under which each is known and the fields that it must have: a name that goes, or a
field that must be there from now on, would make another request of one that is repeated across the release. Behind the
arrow stands what its answer must have, with all its parts: an answer that was kept without could not be read any more.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter

from services.chassis.idempotency import Command, Verbs
from tests.conventions.rules import ROOT

LIST = ROOT / "docs/commands.txt"

T = TypeVar("T")


def kept() -> dict[str, set[str]]:
    """Of each, as `points HoldPoints`, the fields without a default."""
    return {_name(kind): _required(kind) for kind in ours(Command)}


def answered() -> dict[str, set[str]]:
    """Of each that a verb is given, the fields without a default in its answer; of what has no fields, its type."""
    found: dict[str, set[str]] = defaultdict(set)
    for verb in (verb for kind in ours(Verbs) for verb in vars(kind).values() if hasattr(verb, "__wrapped__")):
        hints = get_type_hints(verb)
        asked = [hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, Command)]
        for kind in asked:
            found[_name(kind)] |= set(_must_have(TypeAdapter(hints["return"]).json_schema()))
    return found


def _must_have(schema: Any) -> Iterator[str]:
    if schema.get("type", "object") != "object":
        yield f"({schema['type']})"
    yield from schema.get("required", ())
    for part in (*schema.get("anyOf", ()), *schema.get("$defs", {}).values()):
        yield from _must_have(part)


def _name(kind: type[Command]) -> str:
    return f"{kind.__module__.split('.')[1]} {kind.kept_as}"


def ours(parent: type[T]) -> Iterator[type[T]]:
    """What the services make of a class of the chassis."""
    for main in sorted((ROOT / "services").glob("*/main.py")):  # what a service is made of
        import_module(".".join(main.relative_to(ROOT).with_suffix("").parts))
    return (kind for kind in _kinds(parent) if kind.__module__.startswith("services.") and _stands_here(kind))


def _stands_here(kind: type[object]) -> bool:
    """The guide's example is a service too, in another folder, for the time of its test."""
    return (ROOT / kind.__module__.replace(".", "/")).with_suffix(".py").is_file()


def written() -> dict[str, set[str]]:
    return {name: asked for name, asked, _ in _lines()}


def written_answers() -> dict[str, set[str]]:
    return {name: answer for name, _, answer in _lines()}


def _lines() -> Iterator[tuple[str, set[str], set[str]]]:
    for line in LIST.read_text("utf-8").splitlines():
        asked, _, answer = line.partition(" ->")
        context, name, *fields = asked.split()
        yield f"{context} {name}", set(fields), set(answer.split())


def _kinds(parent: type[T]) -> Iterator[type[T]]:
    for child in parent.__subclasses__():
        yield child
        yield from _kinds(child)


def _required(kind: type[Command]) -> set[str]:
    return {name for name, field in kind.model_fields.items() if field.is_required()}


if __name__ == "__main__" and "--write" in sys.argv:
    answers = answered()
    lines = (
        " ".join([name, *sorted(fields), *(["->", *sorted(answers[name])] if answers[name] else [])])
        for name, fields in sorted(kept().items())
    )
    LIST.write_text("".join(f"{line}\n" for line in lines), "utf-8")
