"""What a failure says to whoever reads it, also one that has no text here yet (PR-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from services.chassis.errors import Kind, RuumError, Violation
from services.texts.catalogue import Texts, UnknownTextError
from services.texts.languages import Language

_log = structlog.get_logger()

# What is said where a service that is newer than the reader's program names a failure that has no text here yet.
_GENERAL = {
    Kind.INVALID: "invalid-field",
    Kind.UNAUTHENTICATED: "caller-unknown",
    Kind.NOT_ALLOWED: "not-allowed",
    Kind.NOT_FOUND: "not-found",
    Kind.REFUSED: "refused",
    Kind.CHANGED: "changed-meanwhile",
    Kind.REUSED: "request-id-reused",
    Kind.BUSY: "try-again",
    Kind.TOO_MANY: "try-again",
    Kind.UNAVAILABLE: "service-unavailable",
    Kind.TOO_LATE: "deadline-too-short",
    Kind.DEFECT: "defect",
}


def title(texts: Texts, failure: RuumError, language: Language) -> str:
    """The failure in one or two sentences."""
    params: dict[str, Any] = dict(failure.params)
    if failure.retry_after is not None:
        params["retry_after"] = failure.retry_after
    return _text(texts, failure.code, _GENERAL[failure.kind], language, params)


def detail(texts: Texts, wrong: Violation, language: Language) -> str:
    """What is wrong with one field."""
    return _text(texts, wrong.code, "field-invalid", language, wrong.params)


def _text(texts: Texts, code: str, general: str, language: Language, params: Mapping[str, Any]) -> str:
    try:
        return texts.render(code, language, **params)
    except (UnknownTextError, KeyError, TypeError):
        _log.exception("no text", code=code)
        return texts.render(general, language)
