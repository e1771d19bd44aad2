"""Every code that the store may say has its text, not only those of errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import services.store
from services.texts import LANGUAGES, Texts

ROOT = Path(services.store.__file__).parent
# What notices, refused fields and declines are about; each begins with its subject.
SAID = re.compile(
    r"(price|address|points|means|card|coupon|wish-date|phone|kana|deferred|epos|payer|authorisation|capture)(-[a-z]+)+"
)


def said() -> set[str]:
    strings = {
        node.value
        for path in ROOT.rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    recipient = {f"recipient-{name}-missing" for name in ("name", "kana", "phone")}
    return {string for string in strings if SAID.fullmatch(string)} | recipient


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_store_says_of_a_checkout_or_a_payment_has_its_text(language: str) -> None:
    texts = Texts.load().codes(language)  # type: ignore[arg-type]  # one of LANGUAGES

    codes = said()

    assert {"price-changed", "card-declined-funds", "coupon-used-up", "payer-too-late"} <= codes
    assert codes - set(texts) == set()
