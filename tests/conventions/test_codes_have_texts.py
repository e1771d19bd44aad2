from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.rooms.members.models import Refusal
from services.sparekey.cases.transitions import State
from services.sparekey.cases.waiting import Reminder
from services.sparekey.webhooks.travel import NOT_MINE, REDIRECT, SCAN_CODES
from services.texts import Texts
from tests.conventions.rules import ROOT

ITEM_RULES = re.compile(r"items: \{(\w+): \{(.*?)\}\}")
FIELD_RULES = re.compile(r"\(buf\.validate\.field\)\.(\w+)(?:\.(\w+) =| = \{([^}]*)\})")

OPEN = {
    "key-{NOT_MINE}": [NOT_MINE],
    "key-{REDIRECT}": [REDIRECT],
    "key-{reason}": [NOT_MINE, REDIRECT],
    "key-reminded-{step.reminder}": [*Reminder],
    "key-order-{step.state}": [State.CANCELLED, State.DESTROYED],
}
"""Lines of a key order's timeline that hold a word, and which words it may be."""


def error_codes(source: str) -> Iterator[str]:
    """The codes that people may get to read: `code = "…"` in a class, and that of a `Violation(field, "…")`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(bases=[_, *_], body=body):
                yield from (code for statement in body for code in _declared(statement))
            case ast.Call(func=ast.Name("Violation"), args=[_, ast.Constant(str(code)), *_]):
                yield code


def _declared(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.Assign(targets=[ast.Name("code")], value=ast.Constant(str(code))):
            yield code
        case ast.AnnAssign(target=ast.Name("code"), value=ast.Constant(str(code))):
            yield code


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


def page_codes(source: str) -> Iterator[str]:
    """What a key order's page says: the lines that a change tells, and what comes next."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.keyword(arg="told", value=told):
                yield from _told(told)
            case ast.Assign(targets=[ast.Name("told")], value=ast.IfExp() as told):
                yield from _told(told)
            case ast.Constant(str(code)) if code.startswith("key-next-"):
                yield code


def _told(line: ast.expr) -> Iterator[str]:
    match line:
        case ast.Constant(str(code)):
            yield from [code] if code else []
        case ast.IfExp(body=one, orelse=other):
            yield from (*_told(one), *_told(other))
        case ast.JoinedStr():
            yield ast.unparse(line)[2:-1]
        case ast.Name("told"):
            pass  # found where it is assigned
        case _:
            yield ast.unparse(line)


@pytest.mark.rule("SK-40")
def test_whatever_a_key_orders_page_says_has_its_text() -> None:
    found = {
        code for path in (ROOT / "services/sparekey").rglob("*.py") for code in page_codes(path.read_text("utf-8"))
    }
    opened = {re.sub("{.*}", word, line) for line, words in OPEN.items() for word in words}
    refusals = {f"key-reason-{refusal}" for refusal in Refusal}

    assert {"key-ordered", "key-hold-ended", "key-next-your-means"} < found
    assert OPEN.keys() < found
    assert (found - OPEN.keys() | opened | refusals | set(SCAN_CODES)) - set(Texts.load().codes("ja")) == set(), (
        "its text stands in services/texts/locales/*/LC_MESSAGES/sparekey.po; words that a line holds, in OPEN above"
    )


def field_codes(contract: str) -> Iterator[str]:
    """What a field may be refused for by the rules of its contract, as the door of a service names it."""
    # The rules of a list's items are those of the items' own type.
    items = [(kind, "", rules) for kind, rules in ITEM_RULES.findall(contract)]
    for kind, single, several in [*items, *FIELD_RULES.findall(ITEM_RULES.sub("", contract))]:
        rules = re.findall(r"(?<![\w\"])([a-z_]+):", several) or [single]
        bounds = [rule for rule in rules if rule in {"gt", "gte", "lt", "lte"}]
        for rule in ["_".join(bounds), *(rule for rule in rules if rule not in bounds)]:
            if rule:
                yield f"field-{kind}-{rule}".replace("_", "-")
    if "(buf.validate.field).required" in contract:
        yield "field-required"


@pytest.mark.rule("PR-12")
def test_every_rule_of_a_contract_has_its_text() -> None:
    texts = Texts.load().codes("ja")

    codes = {code for path in (ROOT / "protos").rglob("*.proto") for code in field_codes(path.read_text("utf-8"))}

    assert "field-string-min-len" in codes
    assert codes - set(texts) == set()


def test_rules_are_found_however_a_contract_writes_them() -> None:
    contract = """
      string id = 1 [(buf.validate.field).string.pattern = "^gt:[a-z]$"];
      int32 count = 2 [(buf.validate.field).int32 = {gte: 1, lte: 10}];
      repeated string photos = 3 [(buf.validate.field).repeated = {
        min_items: 1
        max_items: 4
      }];
      Day day = 4 [(buf.validate.field).required = true];
    """

    assert sorted(field_codes(contract)) == [
        "field-int32-gte-lte",
        "field-repeated-max-items",
        "field-repeated-min-items",
        "field-required",
        "field-string-pattern",
    ]


def test_codes_are_found_in_classes_and_violations() -> None:
    source = """
code = "no"
class A(E):
    kind = 1
    code = "yes"
class B(E):
    code: str = "too"
raise InvalidField(violations=[Violation("number", "and-this", {})])
"""

    assert sorted(error_codes(source)) == ["and-this", "too", "yes"]


def test_lines_are_found_however_they_are_chosen() -> None:
    source = """
told = "key-held" if waits else ""
told = unheard(line)
Change(told="" if quiet else f"key-{word}", to=told)
Change(told="key-sent"), Change(told=told), Change(told=LINE)
"""

    assert sorted(page_codes(source)) == ["LINE", "key-held", "key-sent", "key-{word}"]
