"""Files and functions stay small enough to be read at once, and each file says by its name what is in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conventions.rules import ROOT

_LIMIT = "at most 500, so part it by subject"
PRODUCT = ("services", "workflows", "deploy")
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


def sources(root: Path, *folders: str) -> dict[Path, int]:
    """The lines of each file."""
    found = (path for folder in folders for path in (root / folder).rglob("*.py"))
    return {path: path.read_text("utf-8").count("\n") for path in sorted(found)}


def share(sizes: list[int], below: int) -> float:
    """The part that is smaller."""
    return sum(size < below for size in sizes) / len(sizes)


def functions(path: Path) -> Iterator[int]:
    """The lines of each function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def problems(root: Path) -> list[str]:
    """Short tests, of which there are thousands, must not hide what is long in the product: each is counted alone."""
    product, tests = sources(root, *PRODUCT), sources(root, "tests")
    found = list(_of_files(root, product | tests))
    for lines in (product, tests):
        lengths = [length for path in lines for length in functions(path)]
        if lines and share(list(lines.values()), 350) < 0.9:
            found.append("more than one file in ten has 350 lines")
        if lengths and share(lengths, 10) < 0.5:
            found.append("more than half of the functions have 10 lines")
        if lengths and share(lengths, 45) < 0.95:
            found.append("more than one function in twenty has 45 lines")
    return found


def _of_files(root: Path, lines: dict[Path, int]) -> Iterator[str]:
    for path, count in lines.items():
        name = path.relative_to(root)
        if count > 500:
            yield f"{name}: {count} lines; {_LIMIT}"
        elif path.name == "workflow.py" and count >= 400:
            yield f"{name}: {count} lines of one process"
        if {path.stem, path.parent.stem} & NAMELESS:
            yield f"{name}: named for nothing"


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


def test_short_tests_hide_nothing_that_is_long_in_the_product(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_short.py").write_text(function(2) * 100)

    assert problems(planted(tmp_path, long=function(10) * 2)) == ["more than half of the functions have 10 lines"]
