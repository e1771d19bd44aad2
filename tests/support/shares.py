"""How the suite is shared out among processes, each with servers of its own (QA-25): `pytest -n 3`."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The journeys wait more than they reckon, but all of ruum is started for them: they are parted, not dealt out by file.
_TOWNS = 2
_JOURNEYS = sorted(path.name for path in Path("tests/journeys").glob("test_*.py"))


class Shares(LoadScopeScheduling):  # type: ignore[misc]  # the library has no types
    """The journeys in halves, every other file to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        if path.parent.name == "journeys":
            return f"town {_JOURNEYS.index(path.name) % _TOWNS}"
        return str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    config.option.loadscopereorder = False
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The journeys first: they take longest."""
    items.sort(key=lambda item: item.path.parent.name != "journeys")
