"""Failures as RFC 9457 problems, in the reader's language, with a stable `type` (PO-01, PR-12)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.responses import Response

from services.chassis.errors import Kind, Row, RuumError, Unavailable
from services.texts import Language, Texts, failures, negotiate

TYPE = "https://ruum.example/problems/"
MEDIA = "application/problem+json"
_SOON = timedelta(seconds=1)


class HttpFailure(RuumError):
    """A failure for which HTTP has a status of its own."""

    kind = Kind.INVALID
    status: ClassVar[int]

    @property
    def row(self) -> Row:
        return replace(super().row, http=self.status)

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer says besides."""
        return {}


class WrongMethod(HttpFailure):
    """The path is there, and not for this method."""

    code = "method-not-allowed"
    status = 405

    def __init__(self, allowed: str) -> None:
        super().__init__()
        self._allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Allow": self._allowed}


class BodyTooSlow(HttpFailure):
    """The body did not arrive in time."""

    code = "body-too-slow"
    status = 408


class BodyTooLarge(HttpFailure):
    code = "body-too-large"
    status = 413


class BodyNotJson(HttpFailure):
    """The body says that it is something else than JSON."""

    code = "body-not-json"
    status = 415

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Accept": "application/json"}


class VersionMissing(HttpFailure):
    """An edit does not say which version was edited (PO-01)."""

    code = "version-missing"
    status = 428


class BodyUnreadable(RuumError):
    """The body is no JSON object in UTF-8."""

    kind = Kind.INVALID
    code = "body-unreadable"


class MissingKey(RuumError):
    """A command came without an `Idempotency-Key` (PO-01)."""

    kind = Kind.INVALID
    code = "idempotency-key-missing"


class NotSignedIn(RuumError):
    """The operation needs a session."""

    kind = Kind.UNAUTHENTICATED
    code = "not-signed-in"


class SessionOver(RuumError):
    """The session has ended, or there never was one."""

    kind = Kind.UNAUTHENTICATED
    code = "session-over"


class ForgedOrigin(RuumError):
    """A cookie's request without its CSRF token (PO-02)."""

    kind = Kind.NOT_ALLOWED
    code = "csrf-token-missing"


class TooManyRequests(RuumError):
    """The client asks faster than it may (PO-02)."""

    kind = Kind.TOO_MANY
    code = "rate-limited"


class Missing(Unavailable):
    """A part of ruum cannot be reached now; the rest works (PO-04)."""

    def __init__(self, part: str, retry_after: timedelta) -> None:
        super().__init__(retry_after=retry_after, missing=part)
        self.part = part


def language_of(headers: Headers) -> Language:
    return negotiate(headers.get("accept-language", ""))


class Problems:
    """Writes problems."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def answer(self, headers: Headers, failure: RuumError) -> Response:
        """The problem that a failure is to the one who asked with these headers."""
        language = language_of(headers)
        problem: dict[str, Any] = {
            "type": TYPE + failure.code,
            "title": self.title(failure, language),
            "status": failure.row.http,
            "code": failure.code,
            "retryable": failure.passes,
            "params": failure.params,
        }
        if isinstance(failure, Missing):
            problem["detail"] = self._texts.render(f"missing-{failure.part}", language)
        if failure.field:
            problem["field"] = failure.field
        if failure.violations:
            problem["errors"] = [
                {"field": wrong.field, "code": wrong.code, "detail": failures.detail(self._texts, wrong, language)}
                for wrong in failure.violations
            ]
        return Response(to_json(problem), failure.row.http, _headers(failure, language), MEDIA)

    def title(self, failure: RuumError, language: Language) -> str:
        """What happened, and what to do."""
        return failures.title(self._texts, failure, language)


def _headers(failure: RuumError, language: Language) -> dict[str, str]:
    headers = {"Content-Language": language.replace("_", "-"), "Cache-Control": "no-store"}
    if failure.passes:
        wait = failure.retry_after or _SOON
        headers["Retry-After"] = str(max(1, math.ceil(wait.total_seconds())))
    if failure.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(failure, HttpFailure):
        headers.update(failure.headers)
    return headers
