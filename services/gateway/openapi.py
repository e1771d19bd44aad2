"""The API's description, made of the contracts: complete enough that a generated client works (PO-01)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.chassis.errors import TABLE
from services.gateway.asking import COOKIE, COOKIE_WANTED, KEY, KEY_PATTERN
from services.gateway.bridge.schemas import Schemas
from services.gateway.endpoints import Endpoint
from services.gateway.problems import MEDIA, TYPE
from services.gateway.routes import events, reaching, texts
from services.gateway.sessions import CSRF_HEADER, SESSION_COOKIE
from services.texts import LANGUAGES

PREFIX = "/api/v1"

_ABOUT = f"""The residents' API of ruum.

A failure is a problem (RFC 9457) with a stable `type`, in the language of `Accept-Language`: ja, en or zh-Hans.
Each POST, PATCH and DELETE carries an `{KEY}`: the same key with the same content gives the same answer and acts
once. With the session in a cookie, such a request also carries `{CSRF_HEADER}`: the value of the cookie
`__Host-ruum-csrf`. No text may hold the character U+0000."""
_TEXT = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "code", "retryable", "params"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "detail": _TEXT,
        "status": {"type": "integer"},
        "code": _TEXT,
        "retryable": {"type": "boolean", "description": "The very same request may succeed later."},
        "params": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
        "field": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {"field": _TEXT, "code": _TEXT, "detail": _TEXT},
            },
        },
    },
    "examples": [
        {
            "type": f"{TYPE}invalid-field",
            "title": "入力内容をご確認ください。",
            "status": 400,
            "code": "invalid-field",
            "retryable": False,
            "params": {},
            "errors": [{"field": "code", "code": "field-string-max-len", "detail": "文字数が上限を超えています。"}],
        }
    ],
}
_PARAMETERS: dict[str, Any] = {
    "IdempotencyKey": {
        "name": KEY,
        "in": "header",
        "required": True,
        "schema": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": KEY_PATTERN},
        "description": "Chosen by the caller: a new one for each thing that is to be done, the same to ask again.",
        "example": "3f0c5f0e-8d1b-4a55-9c43-0d8f5a6c1e77",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "schema": _TEXT,
        "description": "The ETag with which the thing was read; or its `version` in the body.",
        "example": '"1"',
    },
    "AsCookie": {
        "name": COOKIE_WANTED,
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": [COOKIE]},
        "description": "`cookie`: the new session comes as a cookie, and the body's `session_token` stays empty.",
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": _TEXT,
        "description": "The id of the last event that was received: those after it are sent first.",
        "example": "1767225600000-4711",
    },
}
_HEADERS: dict[str, Any] = {
    "ETag": {"schema": _TEXT, "description": "The version, for If-Match."},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."},
    "X-Request-Id": {"schema": _TEXT, "description": "Names this request in our logs."},
}
_REASONS = {
    400: "What was sent is not as it must be; `errors` names each field.",
    401: "Nobody is signed in, or the session is over.",
    403: "Not for this account, or a cookie came without its CSRF token.",
    404: "There is no such thing, or none that the asker may see.",
    408: "The body did not arrive in time.",
    409: "The state of the thing does not admit it; or the same request is under way, then it is retryable.",
    412: "Somebody else changed it meanwhile.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    422: "The Idempotency-Key came before with other content.",
    428: "It is not said which version was edited.",
    429: "Too often; see Retry-After.",
    503: "A part of ruum is missing now; `detail` says which.",
    504: "It took too long; ask again with the same Idempotency-Key.",
}
_WAITING = {409, 429, 503, 504}
_NAMED = {row.http for row in TABLE.values()} - {500}
_OF_BODIES = {408, 413, 415}


def describe(
    groups: Mapping[str, Sequence[Endpoint]], public_url: str, codes: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The whole document; `codes` are those of the texts, with the names of what each speaks of."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for tag, endpoints in groups.items():
        for endpoint in endpoints:
            described = _operation(endpoint, tag, schemas)
            paths.setdefault(PREFIX + endpoint.path, {})[endpoint.verb.lower()] = described
    paths[PREFIX + events.PATH] = {"get": _stream()}
    paths[PREFIX + texts.PATH] = {"get": _texts(codes)}
    paths[PREFIX + reaching.PATH] = {"get": _wrong_address(schemas)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ruum", "version": "1", "description": _ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in (*groups, "live updates", "texts")],
        "paths": paths,
        "components": {
            "schemas": schemas.components | {"Problem": _PROBLEM},
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {str(status): _problem(status) for status in _REASONS},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
            },
        },
    }


def _operation(endpoint: Endpoint, tag: str, schemas: Schemas) -> dict[str, Any]:
    operation = {
        "operationId": endpoint.rpc.name[0].lower() + endpoint.rpc.name[1:],
        "summary": endpoint.summary,
        "tags": [tag],
        "parameters": _parameters(endpoint, schemas),
        "security": _security(signed_in=endpoint.signed_in),
        "responses": {"200": _done(endpoint, schemas)} | _failures(endpoint),
    }
    if endpoint.in_body:
        body = schemas.request(endpoint.request, endpoint.in_body)
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": schemas.is_asked(body), "content": content}
    return operation


def _parameters(endpoint: Endpoint, schemas: Schemas) -> list[dict[str, Any]]:
    fields = endpoint.request.fields_by_name
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": schemas.parameter(fields[name])}
        for name in endpoint.in_path
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": schemas.parameter(field)}
        for name, field in endpoint.in_query.items()
    ]
    named = {
        "IdempotencyKey": endpoint.verb != "GET",
        "IfMatch": endpoint.edits,
        "AsCookie": endpoint.opens_session,
    }
    return in_path + in_query + [_ref("parameters", name) for name, has in named.items() if has]


def _done(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    done = _answered(schemas.answer(endpoint.rpc.output_type))
    if endpoint.answers_version:
        done["headers"]["ETag"] = _ref("headers", "ETag")
    return done


def _failures(endpoint: Endpoint) -> dict[str, Any]:
    statuses = set(_NAMED)
    if endpoint.verb != "GET":
        statuses |= _OF_BODIES
    if endpoint.edits:
        statuses.add(428)
    return _refused(*statuses)


def _problem(status: int) -> dict[str, Any]:
    headers = {"X-Request-Id": _ref("headers", "X-Request-Id")}
    if status in _WAITING:
        headers["Retry-After"] = _ref("headers", "Retry-After")
    return {
        "description": _REASONS[status],
        "headers": headers,
        "content": {MEDIA: {"schema": _ref("schemas", "Problem")}},
    }


def _stream() -> dict[str, Any]:
    answer = {
        "description": (
            "Server-sent events. `event` is `<context>.<event>`, as `points.points_granted`; `data` is JSON with the "
            "`aggregate_id` that changed and its new `version`. `reset` says that events were missed: read anew what "
            "is shown. A comment comes every 15 seconds. The stream ends with the session."
        ),
        "content": {
            "text/event-stream": {
                "schema": _TEXT,
                "example": (
                    "event: points.points_granted\n"
                    'data: {"aggregate_id":"mem_01jv8z5k3q4t6w7x9y2abcdefg","version":3}\n'
                    "id: 1767225600000-4712\n\n"
                ),
            }
        },
    }
    return {
        "operationId": "watchEvents",
        "summary": "What happens to the member's orders, keys, points and rooms, as it happens",
        "tags": ["live updates"],
        "parameters": [_ref("parameters", "LastEventId")],
        "security": _security(signed_in=True),
        "responses": {"200": answer} | _refused(400, 401, 429, 503),
    }


def _texts(codes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    whole = {"type": "string", "enum": [code for code, names in codes.items() if not names]}
    speaking = [
        {"type": "string", "pattern": rf"^{code}\?", "description": f"speaks of {', '.join(names)}"}
        for code, names in codes.items()
        if names
    ]
    asked = {"type": "array", "items": {"anyOf": [whole, *speaking]}, "minItems": 1, "maxItems": texts.MOST}
    properties = {
        "language": {"type": "string", "enum": list(LANGUAGES)},
        "texts": {"type": "object", "additionalProperties": _TEXT, "description": "By what was asked."},
    }
    return {
        "operationId": "getTexts",
        "summary": "What codes say to people, such as those of the notices before a key order",
        "tags": ["texts"],
        "description": (
            "A code stands as it was answered. Where its text speaks of something, the `params` beside the code follow "
            "as in a URL's query, `key-ordered?promised_on=2026-06-01`; what the text does not speak of is left out."
        ),
        "parameters": [
            {
                "name": "code",
                "in": "query",
                "required": True,
                "schema": asked,
                "example": ["key-next-delivery", "key-ordered?promised_on=2026-06-01"],
            }
        ],
        "security": _security(signed_in=False),
        "responses": {"200": _object(properties)} | _refused(400, 404, 429),
    }


def _wrong_address(schemas: Schemas) -> dict[str, Any]:
    order_id = schemas.parameter(reaching.DRAFT.input_type.fields_by_name["order_id"])
    return {
        "operationId": "reportWrongAddress",
        "summary": "Where to write to when the address of the key in the cart is wrong",
        "tags": ["spare keys"],
        "parameters": [{"name": "order_id", "in": "path", "required": True, "schema": order_id}],
        "security": _security(signed_in=True),
        "responses": {"200": _object(dict.fromkeys(("mail", "subject", "link"), _TEXT))} | _refused(*_NAMED),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return _answered({"type": "object", "required": list(properties), "properties": properties})


def _answered(schema: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": _ref("headers", "X-Request-Id")}
    return {"description": "Done.", "headers": headers, "content": {"application/json": {"schema": schema}}}


def _refused(*statuses: int) -> dict[str, Any]:
    return {str(status): _ref("responses", str(status)) for status in sorted(statuses)}


def _security(*, signed_in: bool) -> list[dict[str, list[str]]]:
    return [{"bearer": []}, {"cookie": []}] if signed_in else []


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
