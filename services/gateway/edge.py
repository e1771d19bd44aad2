"""What goes around every request, whatever answers it: its id, limit, headers and log line (PO-02, PO-04)."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from services.chassis.errors import Defect, RuumError
from services.gateway.limits import Limits
from services.gateway.problems import Problems
from services.gateway.signals import Signals
from services.gateway.visits import Visits

_log = structlog.get_logger()

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}
_WRITTEN = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_LEFT = 499  # what servers write for a client that went away before its answer


class Edge:
    """The outermost application.

    Args:
        inner: answers, or raises a `RuumError`.
        most: requests a minute of one network address.
        unlimited: beginnings of paths that are not counted.
    """

    def __init__(
        self,
        inner: ASGIApp,
        problems: Problems,
        visits: Visits,
        limits: Limits,
        signals: Signals,
        most: int,
        unlimited: tuple[str, ...],
    ) -> None:
        self._inner = inner
        self._problems = problems
        self._visits = visits
        self._limits = limits
        self._signals = signals
        self._most = most
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = Headers(scope=scope)
        scope["ruum.visit"] = visit = self._visits.of(scope, headers)
        bind_contextvars(request_id=visit.request_id)
        answer = _Answer(send, visit.request_id)
        self._signals.in_flight.inc()
        try:
            await self._answered(scope, receive, answer, headers)
        finally:
            self._signals.in_flight.dec()
            self._note(scope, answer.status, time.perf_counter() - began)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer, headers: Headers) -> None:
        try:
            if not scope["path"].startswith(self._unlimited):
                self._limits.count(scope["ruum.visit"].client, self._most)
            await self._inner(scope, receive, answer)
        except ClientDisconnect:
            answer.status = _LEFT
        except Exception as failure:
            if answer.status:
                raise  # half an answer is out: the server cuts the connection
            await self._problems.answer(headers, _named(failure))(scope, receive, answer)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("endpoint"), "path", "unknown")
        self._signals.answered(route, scope["method"], status, seconds)
        _log.info("request", method=scope["method"], route=route, status=status, took_ms=round(seconds * 1000, 1))


class _Answer:
    """Sends an answer on with what every answer says."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            own = {name for name, _ in headers.raw}
            headers.raw.extend((name, value) for name, value in _WRITTEN if name not in own)
            headers.raw.append((b"x-request-id", self._request_id.encode()))
        await self._send(message)


def _named(failure: Exception) -> RuumError:
    if isinstance(failure, RuumError):
        if isinstance(failure, Defect):
            _log.error("defect", exc_info=failure)
        return failure
    _log.error("defect", exc_info=failure)
    return Defect()
