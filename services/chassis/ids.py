"""Identifiers: a prefix that names the thing and a lower-case ULID (PR-07)."""

from __future__ import annotations

import re

from ulid import PureRandomPolicy, ULIDGenerator

# The library's default counts up within a millisecond, so that one id gives away the next.
_generator = ULIDGenerator(policy=PureRandomPolicy())
_PREFIX = re.compile(r"[a-z][a-z0-9]{1,11}")
_ULID = r"[0-7][0-9a-hjkmnp-tv-z]{25}"


def new_id(prefix: str) -> str:
    """A fresh id such as `ord_01j…`: sortable by the millisecond, 80 random bits, no meaning (PR-07).

    Raises:
        ValueError: the prefix is not two to twelve lower-case letters or digits.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not an id prefix: {prefix!r}")
    return f"{prefix}_{_generator.generate()}".lower()


def is_id(value: str, prefix: str) -> bool:
    """Whether `value` is written as an id of the thing that `prefix` names; it need not exist (PR-07)."""
    return re.fullmatch(f"{re.escape(prefix)}_{_ULID}", value) is not None
