from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conventions.rules import ROOT, Chapter, Proof, problems, read_proofs, read_rules, render

CHAPTERS = [Chapter("Spare keys", {"SK-01": "Asked in My Room.", "SK-02": "Told to the contractor."})]
PROOF = Proof("tests/sparekey/test_orders.py", "test_only_residents_order", "SK-01")


def test_the_list_of_rules_is_fresh_and_no_rule_has_lost_its_proof() -> None:
    page = (ROOT / "docs/rules.md").read_text("utf-8")

    assert problems(page, read_rules(), read_proofs()) == []


def test_every_rule_is_one_sentence() -> None:
    rules = {rule: words for chapter in read_rules() for rule, words in chapter.rules.items()}

    assert len(rules) > 200
    for rule, words in rules.items():
        assert re.fullmatch(r"[A-Z]{2}-[0-9]{2}", rule)
        assert re.fullmatch(r"[^|.]+\.", words.replace("2.2", "")), rule


def test_a_page_as_rendered_has_no_problem() -> None:
    assert problems(render(CHAPTERS, [PROOF]), CHAPTERS, [PROOF]) == []


def test_a_new_proof_makes_the_page_stale() -> None:
    (problem,) = problems(render(CHAPTERS, []), CHAPTERS, [PROOF])

    assert "stale" in problem


def test_a_marker_of_no_rule_is_found() -> None:
    invented = Proof("tests/test_x.py", "test_x", "SK-99")

    assert any("SK-99" in problem for problem in problems(render(CHAPTERS, []), CHAPTERS, [invented]))


def test_a_rule_that_lost_its_last_test_is_found() -> None:
    (problem,) = problems(render(CHAPTERS, [PROOF]), CHAPTERS, [])

    assert problem == "SK-01 was proved and has lost its last test"


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.rule("SK-01")\ndef test_only_residents_order(): ...',
        '@pytest.mark.slow\n@pytest.mark.rule("SK-01")\nasync def test_only_residents_order(): ...',
        'pytestmark = [pytest.mark.rule("SK-01")]\ndef test_only_residents_order(): ...',
        '@pytest.mark.rule("SK-01")\nclass TestOrders:\n    def test_only_residents_order(self): ...',
        '@pytest.mark.parametrize("x", [1])\n@pytest.mark.rule("SK-01")\ndef test_only_residents_order(x): ...',
    ],
)
def test_markers_are_read_from_the_sources(tmp_path: Path, source: str) -> None:
    folder = tmp_path / "tests/sparekey"
    folder.mkdir(parents=True)
    (folder / "test_orders.py").write_text(f"import pytest\n\n\n{source}\n")

    assert read_proofs(tmp_path) == [PROOF]


@pytest.mark.parametrize("mark", ["skip", "xfail(strict=True)", 'skipif(True, reason="")'])
def test_a_test_that_is_set_aside_proves_nothing(tmp_path: Path, mark: str) -> None:
    (tmp_path / "tests").mkdir()
    source = f'@pytest.mark.{mark}\n@pytest.mark.rule("SK-01")\ndef test_only_residents_order(): ...\n'
    (tmp_path / "tests/test_orders.py").write_text(source)

    assert read_proofs(tmp_path) == []
