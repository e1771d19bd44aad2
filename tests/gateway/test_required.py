"""What the description calls required is what the contract refuses to do without, and nothing else (PO-01)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from services.gateway import openapi
from services.gateway.endpoints import Endpoint
from services.gateway.routes.table import ENDPOINTS
from tests.gateway.house import House

COMMANDS = [endpoint for group in ENDPOINTS.values() for endpoint in group if endpoint.in_body]
_DOCUMENT = openapi.describe(ENDPOINTS, "https://ruum.example", {})
_SCHEMAS: Mapping[str, Any] = _DOCUMENT["components"]["schemas"]
Path = tuple[str | int, ...]


def described(endpoint: Endpoint) -> Mapping[str, Any]:
    operation = _DOCUMENT["paths"][openapi.PREFIX + endpoint.path][endpoint.verb.lower()]
    return resolved(operation["requestBody"]["content"]["application/json"]["schema"])


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return _SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def fields(schema: Mapping[str, Any], at: Path = ()) -> Iterator[tuple[Path, bool]]:
    """Every field of a body, also those of what is within it, and whether it is called required."""
    for name, kind in schema["properties"].items():
        yield (*at, name), name in schema["required"]
        inner, place = (kind["items"], (*at, name, 0)) if kind.get("type") == "array" else (kind, (*at, name))
        if "properties" in resolved(inner):
            yield from fields(resolved(inner), place)


def without(body: Any, path: Path) -> Any:
    left = copy.deepcopy(body)
    place = left
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return left


def written(path: Path) -> str:
    """As a refusal names it: `consents[0].version`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


async def refused(house: House, session: str, endpoint: Endpoint, body: Any) -> list[str]:
    """The fields for which a body is refused."""
    ids = {name: _id(endpoint, name) for name in endpoint.in_path}
    path = openapi.PREFIX + endpoint.path.format(**ids)
    headers = {"If-Match": '"1"'} if endpoint.edits else {}
    who = session if endpoint.signed_in else ""
    answer = await house.post(path, who, verb=endpoint.verb, json=body, headers=headers)
    assert answer.status_code in {200, 400}, answer.text
    return [error["field"] for error in answer.json()["errors"]] if answer.status_code == 400 else []


def _id(endpoint: Endpoint, name: str) -> str:
    """An id of the kind that stands in the path."""
    operation = _DOCUMENT["paths"][openapi.PREFIX + endpoint.path][endpoint.verb.lower()]
    (pattern,) = (it["schema"]["pattern"] for it in operation["parameters"] if it.get("name") == name)
    return str(pattern).removeprefix("^").partition("[")[0] + "01jv8z5k3q4t6w7x9y2abcdefg"


@pytest.mark.rule("PO-01")
@pytest.mark.parametrize("endpoint", COMMANDS, ids=lambda it: it.rpc.name)
async def test_a_body_is_refused_without_a_required_field_and_for_no_other_that_is_left_out(
    house: House, session: str, endpoint: Endpoint
) -> None:
    schema = described(endpoint)
    (whole,) = schema["examples"]

    assert await refused(house, session, endpoint, whole) == []
    for path, required in fields(schema):
        named = await refused(house, session, endpoint, without(whole, path))
        assert named == ([written(path)] if required else []), (path, required)


@pytest.mark.rule("PO-01")
@pytest.mark.parametrize("endpoint", COMMANDS, ids=lambda it: it.rpc.name)
async def test_a_text_or_a_list_that_must_not_be_empty_says_so(house: House, session: str, endpoint: Endpoint) -> None:
    schema = described(endpoint)
    (whole,) = schema["examples"]

    for name, kind in schema["properties"].items():
        empty: Any = [] if kind.get("type") == "array" else ""
        if kind.get("type") in {"array", "string"}:
            admitted = not (kind.get("minItems") or kind.get("minLength") or kind.get("pattern") or kind.get("enum"))
            named = await refused(house, session, endpoint, {**whole, name: empty})
            assert (name not in named) == admitted, (name, kind, named)


def test_every_kind_of_command_is_looked_at() -> None:
    looked_at = [required for command in COMMANDS for _, required in fields(described(command))]

    assert looked_at.count(True) > 20
    assert looked_at.count(False) > 20


def test_no_example_is_left_without_a_word_of_its_own() -> None:
    def words(value: Any) -> Iterator[Any]:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from words(inner)
        else:
            yield value

    said = [word for schema in _SCHEMAS.values() for example in schema["examples"] for word in words(example)]
    assert len(said) > 200
    assert "…" not in said
    entry, coupon = (_SCHEMAS[name]["examples"][0]["code"] for name in ("TimelineEntry", "Coupon"))
    assert (entry, coupon) == ("key-ordered", "SPARE300")
