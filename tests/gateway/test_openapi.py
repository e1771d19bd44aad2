"""The API's description: whole, and true of every answer to whatever is sent (PO-01, QA-14)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import schemathesis
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from services.gateway import openapi
from services.gateway.routes import events as routes
from services.gateway.routes.table import ENDPOINTS
from services.gateway.routes.texts import Wording
from services.texts import Texts
from tests.gateway.house import House

SEED = 20261122
EXAMPLES = 5
"""Of each operation, besides those in which each rule of each field is kept and broken once."""
BESIDES = {"watchEvents", "getTexts", "reportWrongAddress"}
"""Operations that the gateway answers itself."""
OPERATIONS = [endpoint for group in ENDPOINTS.values() for endpoint in group]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return openapi.describe(ENDPOINTS, "https://ruum.example", Wording(Texts.load()).speak_of)


@pytest.mark.rule("PO-01")
def test_the_description_is_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(description).iter_errors()] == []


async def test_it_is_served_as_it_is_described(house: House, description: dict[str, Any]) -> None:
    served = (await house.get("/api/v1/openapi.json")).json()

    assert served == description | {"servers": [{"url": house.url}]}


def test_every_operation_has_a_name_of_its_own_a_tag_and_a_summary(description: dict[str, Any]) -> None:
    operations = [operation for path in description["paths"].values() for operation in path.values()]

    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) == len(OPERATIONS) + len(BESIDES)
    assert set(names) > BESIDES
    assert all(operation["summary"] and len(operation["tags"]) == 1 for operation in operations)
    assert {operation["tags"][0] for operation in operations} == {tag["name"] for tag in description["tags"]}


def test_every_example_is_as_its_schema_says(description: dict[str, Any]) -> None:
    components = description["components"]["schemas"]

    for name, schema in components.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": components}}
        for example in schema["examples"]:
            OAS31Validator(whole, format_checker=oas31_format_checker).validate(example)


def test_what_a_caller_may_not_state_is_asked_for_nowhere(description: dict[str, Any]) -> None:
    asked = [schema for name, schema in description["components"]["schemas"].items() if name.endswith("Request")]
    query = [
        one.get("name") for path in description["paths"].values() for op in path.values() for one in op["parameters"]
    ]

    assert asked
    assert not {"request_id", "client", "as_of", "member_id"} & {
        name for schema in asked for name in schema["properties"]
    }
    assert not {"request_id", "client", "as_of", "member_id"} & set(query)


@dataclass
class Found:
    """What schemathesis found with all its checks.

    Attributes:
        calls: how many requests it made.
        wrong: what is wrong, with the request that shows it.
    """

    calls: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.NonFatalError):
            self.wrong.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.ScenarioFinished):
            self.calls += len(event.recorder.interactions)
            checks = (check for checks in event.recorder.checks.values() for check in checks)
            self.wrong += [
                f"{event.label}: {check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                for check in checks
                if check.failure_info is not None
            ]


def fuzzed(url: str, description: dict[str, Any], session: str) -> Iterator[events.EngineEvent]:
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": url,
            "headers": {"Authorization": f"Bearer {session}"},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none", "allow-x00": False},
            "phases": {"stateful": {"enabled": False}},
            # An edit that states no version, or two, is refused for that, whether it keeps to its schema or not.
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", "412", "428"]},
                "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "412", "415", "428"]},
            },
            # A text is not given without what it speaks of, which no schema of its code can say.
            "operations": [
                {
                    "include-path": "/api/v1/texts",
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
                }
            ],
        }
    )
    schema = schemathesis.openapi.from_dict(description, config=config)
    # A stream has no end that could be waited for.
    return iter(from_schema(schema.exclude(path="/api/v1/events")).execute())


@pytest.mark.rule("QA-14")
@pytest.mark.timeout(300)
async def test_whatever_is_sent_is_answered_as_described_and_never_with_a_5xx(
    house: House, session: str, description: dict[str, Any]
) -> None:
    found = Found()

    def look() -> None:
        for event in fuzzed(house.url, description, session):
            found.note(event)

    await asyncio.to_thread(look)

    assert found.calls > 20 * len(OPERATIONS)
    assert not found.wrong, "\n\n".join([f"{found.calls} requests with seed {SEED}", *found.wrong])


@pytest.mark.parametrize("status", [401, 503])
async def test_the_stream_is_answered_as_described(
    house: House, session: str, description: dict[str, Any], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST", 0)

    answer: httpx.Response = await house.get("/api/v1/events", session if status == 503 else "")

    described = description["paths"]["/api/v1/events"]["get"]["responses"]
    problem = description["components"]["schemas"]["Problem"]
    assert answer.status_code == status
    assert str(status) in described
    OAS31Validator(problem).validate(answer.json())
