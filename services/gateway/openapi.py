"""The API's description, made of the contracts: complete enough that a generated client works (PO-01)."""

from __future__ import annotations

from typing import Any

from services.chassis.errors import TABLE
from services.gateway.bridge.schemas import Schemas
from services.gateway.endpoints import FROM_ELSEWHERE, Endpoint

PREFIX = "/api/v1"

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "code", "retryable", "params"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "examples": ["request-id-reused"]},
        "retryable": {"type": "boolean"},
        "params": {"type": "object"},
        "field": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "minLength": 8, "maxLength": 128},
    "description": "Chosen by the caller; the same key with the same content gives the same answer and acts once.",
}


def describe(groups: dict[str, list[Endpoint]], public_url: str) -> dict[str, Any]:
    """The whole document."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for tag, endpoints in groups.items():
        for endpoint in endpoints:
            described = _operation(endpoint, tag, schemas)
            paths.setdefault(PREFIX + endpoint.path, {})[endpoint.verb.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "ruum", "version": "1", "description": "The residents' API of ruum."},
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in groups],
        "paths": paths,
        "components": {
            "schemas": schemas.components | {"Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-ruum"},
            },
        },
    }


def _operation(endpoint: Endpoint, tag: str, schemas: Schemas) -> dict[str, Any]:
    fields = endpoint.request.fields_by_name
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": schemas.parameter(fields[name])}
        for name in endpoint.in_path
    ]
    parameters += [
        {"name": field.name, "in": "query", "required": False, "schema": schemas.parameter(field)}
        for field in endpoint.in_query
    ]
    operation: dict[str, Any] = {
        "operationId": endpoint.rpc.name[0].lower() + endpoint.rpc.name[1:],
        "summary": endpoint.summary,
        "tags": [tag],
        "parameters": parameters + ([_KEY] if endpoint.is_command else []),
        "security": [{"bearer": []}, {"cookie": []}] if endpoint.signed_in else [],
        "responses": _answers(endpoint, schemas),
    }
    if endpoint.in_body:
        body = schemas.request(endpoint.request, {*endpoint.in_path, *FROM_ELSEWHERE})
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _answers(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    answer = {
        "description": "done",
        "content": {"application/json": {"schema": schemas.answer(endpoint.rpc.output_type)}},
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = sorted({row.http for row in TABLE.values() if row.http != 500})  # noqa: PLR2004  # a defect is none
    return {"200": answer} | {str(status): {"description": "problem", "content": problem} for status in statuses}
