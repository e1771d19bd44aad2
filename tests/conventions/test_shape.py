"""Files and functions stay small enough to be read at once, and each file says by its name what is in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conventions.rules import ROOT

_LIMIT = "at most 500, so part it by subject"
FOLDERS = ("services", "workflows", "deploy", "tests")
NAMELESS = {
    "base",
    "common",
    "helper",
    "helpers",
    "lib",
    "misc",
    "shared",
    "stuff",
    "tools",
    "util",
    "utilities",
    "utils",
}


def sources(root: Path) -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))


def share(sizes: list[int], below: int) -> float:
    """The part that is smaller."""
    return sum(size < below for size in sizes) / len(sizes)


def functions(path: Path) -> Iterator[int]:
    """The lines of each function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def problems(root: Path) -> list[str]:
    lines = {path: path.read_text("utf-8").count("\n") for path in sources(root)}
    lengths = [length for path in lines for length in functions(path)]
    found = [f"{path.relative_to(root)}: {count} lines; {_LIMIT}" for path, count in lines.items() if count > 500]
    found += [
        f"{path.relative_to(root)}: {count} lines of one process"
        for path, count in lines.items()
        if path.name == "workflow.py" and 400 <= count <= 500
    ]
    found += [
        f"{path.relative_to(root)}: named for nothing" for path in lines if {path.stem, path.parent.stem} & NAMELESS
    ]
    if share(list(lines.values()), 350) < 0.9:
        found.append("more than one file in ten has 350 lines")
    if share(lengths, 10) < 0.5:
        found.append("more than half of the functions have 10 lines")
    if share(lengths, 45) < 0.95:
        found.append("more than one function in twenty has 45 lines")
    return found


def planted(root: Path, **files: str) -> Path:
    (root / "services").mkdir()
    for name, source in files.items():
        (root / "services" / f"{name}.py").write_text(source)
    return root


def function(lines: int) -> str:
    return "def one():\n" + "    ...\n" * (lines - 1)


def test_the_sources_keep_their_shape() -> None:
    assert problems(ROOT) == []


def test_a_long_file_is_found(tmp_path: Path) -> None:
    short = {f"short_{number}": function(3) for number in range(20)}

    assert problems(planted(tmp_path, long=function(3) + "\n" * 498, **short)) == [
        f"services/long.py: 501 lines; {_LIMIT}"
    ]


def test_a_long_workflow_is_found(tmp_path: Path) -> None:
    short = {f"short_{number}": function(3) for number in range(20)}
    process = function(3) + "\n" * 397

    assert problems(planted(tmp_path, workflow=process, process=process, **short)) == [
        "services/workflow.py: 400 lines of one process"
    ]


def test_a_file_that_is_named_for_nothing_is_found(tmp_path: Path) -> None:
    assert problems(planted(tmp_path, helpers=function(3))) == ["services/helpers.py: named for nothing"]


def test_many_large_files_are_found(tmp_path: Path) -> None:
    large = planted(tmp_path, large=function(3) + "\n" * 350, small=function(3))

    assert problems(large) == ["more than one file in ten has 350 lines"]


def test_functions_that_are_mostly_long_are_found(tmp_path: Path) -> None:
    long = planted(tmp_path, long=function(10) * 2 + function(9))

    assert problems(long) == ["more than half of the functions have 10 lines"]


def test_a_few_very_long_functions_are_found(tmp_path: Path) -> None:
    long = planted(tmp_path, long=function(3) * 18 + function(45))

    assert problems(long) == ["more than one function in twenty has 45 lines"]
