from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module

from services import CONTEXTS
from services.chassis.settings import Settings
from tests.conventions.rules import ROOT

PAGE = ROOT / "docs/deadlines.md"
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1)}


def stated(page: str) -> Iterator[tuple[str, object]]:
    """Each setting of the page with the default that it gives."""
    for name, given in re.findall(r"`([a-z_]+)` \(([0-9][^)]*)\)", page):
        value, _, unit = given.partition(" ")
        if unit in _UNITS:
            yield name, int(value) * _UNITS[unit]
        elif "," in given:
            yield name, tuple(map(int, given.split(",")))
        else:
            yield name, int(given)


def defaults() -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for context in CONTEXTS:
        for kind in vars(import_module(f"services.{context}.settings")).values():
            if isinstance(kind, type) and issubclass(kind, Settings):
                for name, field in kind.model_fields.items():
                    found.setdefault(name, []).append(field.default)
    return found


def test_the_page_of_deadlines_gives_the_defaults_of_the_settings() -> None:
    ours = defaults()

    said = list(stated(PAGE.read_text("utf-8")))

    assert len(said) > 15
    assert [(name, value) for name, value in said if value not in ours.get(name, ())] == [], "mend docs/deadlines.md"
