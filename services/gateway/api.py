"""The JSON API: every endpoint answered by one piece, from the contracts (PO-01, PO-02)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.chassis.errors import InvalidField, RuumError, Violation
from services.gateway.bridge.messages import from_json, to_json
from services.gateway.clients import Services
from services.gateway.endpoints import Endpoint, is_page
from services.gateway.problems import BodyUnreadable, MissingKey, Problems
from services.gateway.sessions import Sessions

LARGEST_BODY = 64 * 1024
IDEMPOTENCY_KEY = "idempotency-key"


class Api:
    """Answers requests.

    Args:
        services: who owns the data.
        sessions: who asks.
        key: keys the digest by which services know a client without its address.
        proxies: how many proxies of ours stand in front.
    """

    def __init__(self, services: Services, sessions: Sessions, problems: Problems, key: bytes, proxies: int) -> None:
        self.services = services
        self.sessions = sessions
        self.problems = problems
        self._key = key
        self._proxies = proxies

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Carries one request out; a failure is a problem."""
        try:
            return await self._answer(endpoint, request)
        except RuumError as failure:
            return self.problems.answer(request, failure)

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        session = self.sessions.session_of(request)
        asked = await self._asked(endpoint, request)
        key = request.headers.get(IDEMPOTENCY_KEY, "")
        if endpoint.is_command and not key:
            raise MissingKey
        token = (await self.sessions.token(session, endpoint.audience)).value if endpoint.signed_in else ""
        given = await self.services.call(endpoint.rpc, asked, token, key)
        return self._written(endpoint, request, given, session)

    async def _asked(self, endpoint: Endpoint, request: Request) -> Message:
        values: dict[str, Any] = {}
        if endpoint.verb == "GET":
            values = _question(endpoint, request)
        else:
            values = await _body(request, endpoint)
        values |= {name: request.path_params[name] for name in endpoint.in_path}
        fields = endpoint.request.fields_by_name
        if "version" in fields and (match := request.headers.get("if-match")):
            values.setdefault("version", int(match.strip('W/"')) if match.strip('W/"').isdigit() else -1)
        if endpoint.is_command:
            values["request_id"] = request.headers.get(IDEMPOTENCY_KEY, "")
        if "client" in fields:
            values["client"] = self.client_of(request)
        return from_json(endpoint.request, values)

    def client_of(self, request: Request) -> str:
        """The client as services know it: a keyed digest of its network address (ID-05)."""
        address = request.client.host if request.client else ""
        forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
        if self._proxies and len(forwarded) >= self._proxies:
            address = forwarded[-self._proxies]
        return hmac.digest(self._key, b"client\0" + address.encode(), hashlib.sha256).hex()[:32]

    def _written(self, endpoint: Endpoint, request: Request, given: Message, session: str) -> Response:
        body = to_json(given)
        headers = {"Cache-Control": "no-store"}
        if "version" in given.DESCRIPTOR.fields_by_name:
            headers["ETag"] = f'"{body["version"]}"'
        response = JSONResponse(body, 200, headers)
        if endpoint.rpc.name == "SignOut":
            self.sessions.forget(session)
            self.sessions.take_cookies(response)
        signed_in = body.get("signed_in") or body
        if request.query_params.get("session") == "cookie" and signed_in.get("session_token"):
            opened = str(signed_in["session_token"])
            signed_in["session_token"] = ""
            response = JSONResponse(body, 200, headers)
            self.sessions.give_cookies(response, opened)
        return response


async def _body(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise BodyUnreadable
    if not raw:
        return {}
    try:
        values = json.loads(raw)
    except (UnicodeDecodeError, ValueError):
        raise BodyUnreadable from None
    if not isinstance(values, dict):
        raise BodyUnreadable
    unknown = sorted(set(values) - endpoint.in_body)
    if unknown:
        raise InvalidField(violations=[Violation(str(name)[:80], "field-unknown", {}) for name in unknown])
    return values


def _question(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The fields of a question from the query string; a page's fields into the page."""
    known = {field.name: field for field in endpoint.in_query}
    page_of = next((field.name for field in endpoint.request.fields if is_page(field)), "")
    values: dict[str, Any] = {}
    for name, text in request.query_params.items():
        if name not in known:
            raise InvalidField(violations=[Violation(name[:80], "field-unknown", {})])
        value: Any = text
        if known[name].cpp_type in {known[name].CPPTYPE_INT32, known[name].CPPTYPE_INT64}:
            value = int(text) if text.lstrip("-").isdigit() and text.isascii() else text
        if name not in endpoint.request.fields_by_name:
            values.setdefault(page_of, {})[name] = value
        else:
            values[name] = value
    return values


def empty(endpoint: Endpoint) -> Message:
    """A request with nothing in it."""
    message: Message = GetMessageClass(endpoint.request)()
    return message
