from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.texts import Texts
from tests.conventions.rules import ROOT


def error_codes(source: str) -> Iterator[str]:
    """The codes that classes of errors declare: `code = "…"` in a class that also has, or inherits, a kind."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.bases:
            for statement in node.body:
                target = statement.targets[0] if isinstance(statement, ast.Assign) else None
                if isinstance(statement, ast.AnnAssign):
                    target = statement.target
                value = getattr(statement, "value", None)
                if target is not None and ast.unparse(target) == "code" and isinstance(value, ast.Constant):
                    yield str(value.value)


def sources() -> list[Path]:
    return sorted((ROOT / "services").rglob("*.py"))


@pytest.mark.rule("PR-12")
def test_every_error_has_its_text() -> None:
    texts = Texts.load().codes("ja")

    without = {
        f"{path.relative_to(ROOT)}: {code}"
        for path in sources()
        for code in error_codes(path.read_text("utf-8"))
        if code not in texts
    }

    assert without == set()


def test_codes_are_found_in_classes_only() -> None:
    source = 'code = "no"\nclass A(E):\n    kind = 1\n    code = "yes"\nclass B(E):\n    code: str = "too"\n'

    assert list(error_codes(source)) == ["yes", "too"]
