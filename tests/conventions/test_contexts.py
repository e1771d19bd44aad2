"""Where a context is named by hand, it is named, and what is said of its parts is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.local import ports
from services import CONTEXTS
from tests.conventions.rules import ROOT

# The first column of a table whose head says that it is one of parts; a cell may name several.
TABLE = re.compile(r"^\| part \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
CELL = re.compile(r"^\|([^|]*)\|", re.MULTILINE)


def named_parts(page: str) -> list[str]:
    return [
        part for rows in TABLE.findall(page) for cell in CELL.findall(rows) for part in re.findall(r"`(\w+)`", cell)
    ]


def problems(folder: Path) -> list[str]:
    """Parts that the README of a folder names and that are not there; folders that it does not name."""
    named = set(named_parts((folder / "README.md").read_text("utf-8")))
    there = {path.parent.name for path in folder.glob("*/__init__.py")}
    files = {path.stem for path in folder.glob("*.py")}
    return [
        *(f"{part} is not there" for part in named - there - files),
        *(f"{part} is missing" for part in there - named),
    ]


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_context_has_a_port(context: str) -> None:
    assert {context, f"{context}-metrics"} <= set(ports.USUAL), f"give {context} a port in deploy/local/ports.py"


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_context_stands_in_the_table_of_where_things_are(context: str) -> None:
    named = re.findall(r"`services/\{?([\w,]+)\}?`", (ROOT / "README.md").read_text("utf-8"))

    assert context in ",".join(named).split(","), f"name {context} in the table of README.md"


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_context_is_tried_as_it_is_deployed(context: str) -> None:
    main = ROOT / f"tests/{context}/test_{context}_main.py"

    assert main.exists(), f"write {main.relative_to(ROOT)}, as tests/points/test_points_main.py"


@pytest.mark.parametrize("readme", sorted(ROOT.glob("services/*/README.md")), ids=lambda path: path.parent.name)
def test_the_parts_that_a_page_names_are_there(readme: Path) -> None:
    found = problems(readme.parent)

    assert found == [], f"mend the table of parts in {readme.relative_to(ROOT)}: {', '.join(found)}"


def test_a_part_that_is_not_there_or_not_named_is_found(tmp_path: Path) -> None:
    for part in ("kept", "new"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "__init__.py").touch()
    (tmp_path / "events.py").touch()
    table = "| part | holds |\n|---|---|\n| `kept`, `events` | `words` |\n| `gone` | |\n"
    (tmp_path / "README.md").write_text(f"# Page\n\n{table}\n| state | means |\n|---|---|\n| `sent` | |\n")

    assert problems(tmp_path) == ["gone is not there", "new is missing"]
