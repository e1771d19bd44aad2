from __future__ import annotations

from collections import defaultdict
from importlib import import_module

import pytest
from pydantic_core import PydanticUndefined

from services import CONTEXTS
from services.chassis.settings import Settings
from tests.conventions.rules import ROOT


def defaults() -> dict[str, dict[str, object]]:
    """Of each setting that has a default, by the contexts whose own it is."""
    found: dict[str, dict[str, object]] = defaultdict(dict)
    for context in CONTEXTS:
        if not (ROOT / f"services/{context}/settings.py").is_file():  # it has nothing of its own to be told
            continue
        module = import_module(f"services.{context}.settings")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Settings) and kind.__module__ == module.__name__:
                fields = ((name, field.default) for name, field in kind.model_fields.items())
                found |= {name: found[name] | {context: it} for name, it in fields if it is not PydanticUndefined}
    return found


@pytest.mark.parametrize("name", ["yen_per_point", "claim_days", "transit_days", "wish_days"])
def test_what_two_services_reckon_with_bears_one_name(name: str) -> None:
    assert len(defaults()[name]) == 2


def test_a_name_means_one_thing_whoever_reads_the_variable() -> None:
    differing = {name: of for name, of in defaults().items() if len(set(map(str, of.values()))) > 1}

    assert differing == {}, "one variable of a deployment sets it for all: give it one default, or two names"
