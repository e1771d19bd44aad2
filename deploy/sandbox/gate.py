"""Every partner's door: the bearer, the faults, idempotency keys, and one transaction for effect and answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.sandbox import rest
from deploy.sandbox.faults import Faults, strike
from deploy.sandbox.world import World

_OK = range(200, 300)


@dataclass(frozen=True)
class Manners:
    """How a partner's API says no, and what it does with idempotency keys."""

    error: Callable[[str, str], dict[str, Any]]
    key_required: bool
    reused: tuple[int, str]
    keeps: Callable[[Response], bool]


REST = Manners(
    error=rest.error,
    key_required=True,
    reused=(422, "idempotency_key_reused"),
    keeps=lambda answer: answer.status_code in _OK,
)


class Gate:
    """Lets one request through to a partner.

    `manners` is None where nobody sends keys: pages for people, and look-ups that are open to all.
    """

    def __init__(
        self,
        app: ASGIApp,
        world: World,
        partner: str,
        *,
        secret: str | None = None,
        manners: Manners | None = None,
    ) -> None:
        self._app = app
        self._world = world
        self._partner = partner
        self._secret = secret
        self._manners = manners
        self._running: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        answer = await self._answer(request, body)
        await answer(scope, receive, send)

    async def _answer(self, request: Request, body: bytes) -> Response:
        if not self._admits(request):
            return self._no(401, "unauthorized")
        hit = await strike(self._world, self._partner, reads=request.method == "GET")
        key = self._key(request)
        if isinstance(key, Response):
            return key
        if key in self._running:
            return self._no(409, "idempotency_key_in_use")
        if key:
            self._running.add(key)
        try:
            answer = await self._instead(hit.before()) or await self._once(request, body, key, hit)
        finally:
            self._running.discard(key or "")
        return await self._instead(hit.after()) or answer

    def _admits(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode()
        return self._secret is None or hmac.compare_digest(given, f"Bearer {self._secret}".encode())

    def _key(self, request: Request) -> str | Response | None:
        if self._manners is None or request.method not in {"POST", "PATCH"}:
            return None
        key = request.headers.get("idempotency-key")
        if key is None and self._manners.key_required:
            return self._no(400, "idempotency_key_missing")
        return key

    async def _instead(self, fault: Any) -> Response | None:
        refusal = await fault
        return self._no(*refusal) if refusal else None

    async def _once(self, request: Request, body: bytes, key: str | None, hit: Faults) -> Response:
        store = self._world.store
        async with store.transaction(lag_s=hit.lag_s):
            self._world.do_moved_jobs()
            if key is None or self._manners is None:
                return await self._pass(request, body)
            content = _fingerprint(request, body)
            kept = store.run("SELECT * FROM answers WHERE partner = ? AND key = ?", self._partner, key).fetchone()
            if kept is None:
                answer = await self._pass(request, body)
                if self._manners.keeps(answer):
                    self._keep(key, content, answer)
                return answer
        if kept["request"] != content:
            return self._no(*self._manners.reused)
        replay = {"idempotent-replayed": "true"}
        return Response(kept["body"], kept["status"], replay, media_type="application/json")

    def _keep(self, key: str, content: str, answer: Response) -> None:
        self._world.store.run(
            "INSERT INTO answers (partner, key, request, status, body) VALUES (?, ?, ?, ?, ?)",
            self._partner,
            key,
            content,
            answer.status_code,
            bytes(answer.body),
        )

    async def _pass(self, request: Request, body: bytes) -> Response:
        answer = Response()
        parts: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.raw_headers = list(message["headers"])
            else:
                parts.append(message.get("body", b""))

        await self._app(request.scope, receive, send)
        answer.body = b"".join(parts)
        return answer

    def _no(self, status: int, code: str) -> Response:
        shape = self._manners.error if self._manners else rest.error
        return JSONResponse(shape(code, code.replace("_", " ")), status)


def _fingerprint(request: Request, body: bytes) -> str:
    """What makes two requests the same: method, path and content, however the content is ordered."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            content = json.dumps(json.loads(body), sort_keys=True)
        except ValueError:
            content = body.hex()
    else:
        content = json.dumps(sorted(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)))
    told = f"{request.method} {request.url.path}\n{content}"
    return hashlib.sha256(told.encode()).hexdigest()
