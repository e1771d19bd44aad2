"""What a request asks, as the message of its contract: path, query, headers and body together (PO-01, PR-12)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from pydantic_core import from_json
from starlette.requests import Request

from services.chassis.errors import Changed, InvalidField, Violation
from services.gateway.bridge.messages import LONGEST_NAME, MOST_VIOLATIONS, message_of
from services.gateway.endpoints import Endpoint
from services.gateway.problems import (
    BodyNotJson,
    BodyTooLarge,
    BodyTooSlow,
    BodyUnreadable,
    MissingKey,
    VersionMissing,
)
from services.gateway.visits import visit_of

LARGEST_BODY = 64 * 1024
KEY = "Idempotency-Key"
KEY_PATTERN = r"^[!-~]{8,128}$"
COOKIE_WANTED, COOKIE = "session", "cookie"
_BODY_PATIENCE = 10.0
_KEY_FORM = re.compile(KEY_PATTERN)
_ETAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')


async def asked(endpoint: Endpoint, request: Request) -> Message:
    """The contract's request.

    Raises:
        MissingKey, VersionMissing, Changed, BodyUnreadable, BodyNotJson, BodyTooLarge, BodyTooSlow
        InvalidField: names what is unknown, or not of its field's type.
    """
    values = _question(endpoint, request) if endpoint.verb == "GET" else await _command(endpoint, request)
    values |= request.path_params
    if "client" in endpoint.request.fields_by_name:
        values["client"] = visit_of(request.scope).client
    return message_of(endpoint.request, values)


async def body_of(request: Request, largest: int) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge, BodyTooSlow
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return bytes(body)


async def _command(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    key = _key(request)
    known(request.query_params, {COOKIE_WANTED} if endpoint.opens_session else set())
    if request.query_params.get(COOKIE_WANTED, COOKIE) != COOKIE:
        raise InvalidField(violations=[Violation(COOKIE_WANTED, "field-choice", {"choices": COOKIE})])
    values = await _json(request)
    known(values, endpoint.in_body)
    if endpoint.edits:
        values["version"] = _version(request, values)
    if "request_id" in endpoint.request.fields_by_name:
        values["request_id"] = key
    return values


def _key(request: Request) -> str:
    key = request.headers.get(KEY)
    if not key:
        raise MissingKey
    if not _KEY_FORM.fullmatch(key):
        raise InvalidField(violations=[Violation(KEY, "field-string-pattern", {})])
    return key


async def _json(request: Request) -> dict[str, Any]:
    raw = await body_of(request, LARGEST_BODY)
    if not raw:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity") != "identity":
        raise BodyNotJson
    try:
        values = from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise BodyUnreadable from None
    if not isinstance(values, dict):
        raise BodyUnreadable
    return values


def _version(request: Request, stated: dict[str, Any]) -> Any:
    """The version that was edited: in the body, or as the ETag that the thing was read with."""
    match = request.headers.get("if-match")
    if match is None:
        if "version" not in stated:
            raise VersionMissing
        return stated["version"]
    tag = _ETAG.fullmatch(match.strip())
    if tag is None or stated.get("version", int(tag[1])) != int(tag[1]):
        raise Changed  # no tag of ours, or one of two that is not the present one
    return int(tag[1])


def _question(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The fields of a question from the query string; a page's fields into the page."""
    query, fields = request.query_params, endpoint.in_query
    known(query, fields)
    values: dict[str, Any] = {}
    for name in query:
        field = fields[name]
        given = [_typed(field, text) for text in query.getlist(name)]
        into = values if name in endpoint.request.fields_by_name else values.setdefault(endpoint.page, {})
        into[name] = given if field.is_repeated else given[-1]
    return values


def _typed(field: FieldDescriptor, text: str) -> Any:
    """A text of the query as JSON would write it; what it cannot be stays text and is refused as that."""
    if field.cpp_type in {field.CPPTYPE_INT32, field.CPPTYPE_INT64} and re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def known(given: Iterable[str], names: Iterable[str]) -> None:
    """Nothing else is given than what is asked for.

    Raises:
        InvalidField: names what is.
    """
    unknown = sorted(set(given).difference(names))[:MOST_VIOLATIONS]
    if unknown:
        raise InvalidField(violations=[Violation(name[:LONGEST_NAME], "field-unknown", {}) for name in unknown])
