"""Lists every rule of the product with the tests that prove it: `python -m tests.conventions.rules [--write]`.

The rules stand in `docs/rules.toml`; the proofs are read from `@pytest.mark.rule("…")` in the sources of the tests,
without importing them. `docs/rules.md` is generated; without `--write` the command says what is wrong with it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_YET = "not yet"
_ROW = re.compile(r"^\| ([A-Z]{2}-[0-9]{2}) \|.*\| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Chapter:
    title: str
    rules: Mapping[str, str]


@dataclass(frozen=True, order=True)
class Proof:
    """A test that carries a rule."""

    place: str
    test: str
    rule: str


def read_rules(root: Path = ROOT) -> list[Chapter]:
    chapters = tomllib.loads((root / "docs/rules.toml").read_text("utf-8"))
    return [
        Chapter(
            content["title"],
            {rule: words for rule, words in content.items() if rule != "title"},
        )
        for content in chapters.values()
    ]


def read_proofs(root: Path = ROOT) -> list[Proof]:
    return sorted(
        Proof(str(path.relative_to(root)), test.name, rule)
        for path in (root / "tests").rglob("test_*.py")
        for test, marks in _marked(ast.parse(path.read_text("utf-8")))
        for rule in marks
    )


def _marked(module: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    """Each test with the rules that it, its class or its module carries."""
    for_all = [
        rule
        for statement in module.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark"
        for rule in _rules_in(statement.value)
    ]
    yield from _tests(module.body, for_all)


def _tests(
    body: list[ast.stmt], inherited: list[str]
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            marks = inherited + [rule for mark in statement.decorator_list for rule in _rules_in(mark)]
            if isinstance(statement, ast.ClassDef):
                yield from _tests(statement.body, marks)
            elif statement.name.startswith("test") and not any(map(_set_aside, statement.decorator_list)):
                yield statement, marks


def _set_aside(mark: ast.expr) -> bool:
    """A test that is skipped, or may fail, proves nothing."""
    return "mark.skip" in ast.unparse(mark) or "mark.xfail" in ast.unparse(mark)


def _rules_in(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
            yield from (ast.literal_eval(argument) for argument in node.args)


def render(chapters: list[Chapter], proofs: list[Proof]) -> str:
    """The page; deterministic, so that it is stale when it differs."""
    by_rule: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs:
        by_rule[proof.rule].append(proof)
    total = sum(len(chapter.rules) for chapter in chapters)
    proved = sum(rule in by_rule for chapter in chapters for rule in chapter.rules)
    lines = [
        "# Rules and their proofs",
        "",
        "Generated from `rules.toml` and the tests by `python -m tests.conventions.rules --write`.",
        f"{proved} of {total} rules are carried by a test; a rule of several clauses may want more than it has.",
    ]
    for chapter in chapters:
        lines += ["", f"## {chapter.title}", "", "| rule | what it says | proved by |", "|---|---|---|"]
        lines += [f"| {rule} | {words} | {_cell(by_rule[rule])} |" for rule, words in chapter.rules.items()]
    return "\n".join(lines) + "\n"


def _cell(proofs: list[Proof]) -> str:
    places: dict[str, list[str]] = defaultdict(list)
    for proof in proofs:
        places[proof.place].append(f"`{proof.test}`")
    listed = (f"[{Path(place).stem}](../{place}): {', '.join(tests)}" for place, tests in places.items())
    return "<br>".join(listed) or NOT_YET


def problems(page: str, chapters: list[Chapter], proofs: list[Proof]) -> list[str]:
    """What is wrong between the committed page, the rules and the tests; nothing when all agree."""
    known = {rule for chapter in chapters for rule in chapter.rules}
    found = [
        f"{proof.place}: {proof.test} carries {proof.rule}, which is no rule"
        for proof in proofs
        if proof.rule not in known
    ]
    proved_now = {proof.rule for proof in proofs}
    found += [
        f"{rule} was proved and has lost its last test"
        for rule, cell in _ROW.findall(page)
        if cell != NOT_YET and rule not in proved_now
    ]
    if not found and page != render(chapters, proofs):
        found.append("docs/rules.md is stale: run python -m tests.conventions.rules --write")
    return found


def main(arguments: list[str]) -> int:
    page = ROOT / "docs/rules.md"
    written = page.read_text("utf-8") if page.exists() else ""
    chapters, proofs = read_rules(), read_proofs()
    found = problems(written, chapters, proofs)
    if arguments == ["--write"] and not [problem for problem in found if "stale" not in problem]:
        page.write_text(render(chapters, proofs), "utf-8")
        return 0
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
