"""Failures as RFC 9457 problems, in the reader's language, with a stable `type` (PO-01, PR-12)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from services.chassis.errors import Kind, RuumError
from services.texts import Language, Texts, negotiate

TYPE = "https://ruum.example/problems/"


class MissingKey(RuumError):
    """A command came without an `Idempotency-Key` (PO-01)."""

    kind = Kind.INVALID
    code = "idempotency-key-missing"


class NotSignedIn(RuumError):
    """The operation needs a session."""

    kind = Kind.UNAUTHENTICATED
    code = "not-signed-in"


class BodyUnreadable(RuumError):
    """The body is no JSON object in UTF-8, or too large."""

    kind = Kind.INVALID
    code = "body-unreadable"


class ForgedOrigin(RuumError):
    """A cookie's request without its CSRF token (PO-02)."""

    kind = Kind.NOT_ALLOWED
    code = "csrf-token-missing"


class TooManyRequests(RuumError):
    """The client asks faster than it may (PO-02)."""

    kind = Kind.TOO_MANY
    code = "rate-limited"


def language_of(request: Request) -> Language:
    return negotiate(request.headers.get("accept-language", ""))


class Problems:
    """Writes problems."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def answer(self, request: Request, failure: RuumError) -> JSONResponse:
        """The problem that a failure is to the one who asked."""
        language = language_of(request)
        params: dict[str, Any] = dict(failure.params)
        headers = {"Content-Language": language.replace("_", "-"), "Cache-Control": "no-store"}
        if failure.retry_after is not None:
            params["retry_after"] = failure.retry_after
            headers["Retry-After"] = str(max(1, round(failure.retry_after.total_seconds())))
        problem: dict[str, Any] = {
            "type": TYPE + failure.code,
            "title": self._texts.render(failure.code, language, **params),
            "status": failure.row.http,
            "code": failure.code,
            "retryable": failure.row.retryable,
            "params": dict(failure.params),
        }
        if failure.field:
            problem["field"] = failure.field
        if failure.violations:
            problem["errors"] = [
                {
                    "field": wrong.field,
                    "code": wrong.code,
                    "detail": self._texts.render(wrong.code, language, **dict(wrong.params)),
                }
                for wrong in failure.violations
            ]
        return JSONResponse(problem, failure.row.http, headers, media_type="application/problem+json")
