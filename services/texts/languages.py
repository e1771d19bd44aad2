"""The languages of the product and the one that a person gets who asks for another (PO-10)."""

from __future__ import annotations

import re
from typing import Literal, get_args

Language = Literal["ja", "en", "zh_Hans"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

# Japanese is the binding language (SK-08), so it is also what remains when nothing else fits.
_DEFAULT: Language = "ja"
_BY_SUBTAG: dict[str, Language] = {"ja": "ja", "en": "en", "zh": "zh_Hans"}
_RANGE = re.compile(r"([A-Za-z]{1,8})(?:[-_][A-Za-z0-9-_]*)?(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?")


def negotiate(asked: str) -> Language:
    """The language for a tag (`zh-TW`, `en_US`) or an `Accept-Language` header (PO-10).

    What we speak wins by the weight the asker gave it; any Chinese gets simplified characters; everything else,
    also what cannot be read, gets Japanese.
    """
    best, weight = _DEFAULT, 0.0
    for part in asked.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or found[1].lower() not in _BY_SUBTAG:
            continue
        wanted = float(found[2] or 1)
        if wanted > weight:
            best, weight = _BY_SUBTAG[found[1].lower()], wanted
    return best
