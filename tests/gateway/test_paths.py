"""What is answered where nothing is, and what every answer says (PO-01, PO-02)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from services.gateway.edge import HEADERS
from tests.gateway.fakes import Fake
from tests.gateway.house import House


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/points/",
        "/api/v2/points",
        "/api/v1/points%00",
        "/api/v1//points",
        "/api/v1/%ff%fe",
        "/webhooks/stranger/more",
    ],
)
async def test_an_unknown_path_is_a_problem(house: House, session: str, path: str) -> None:
    answer = await house.get(path, session)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PUT", "/api/v1/profile", "GET, HEAD, PATCH"),
        ("OPTIONS", "/api/v1/sessions", "GET, HEAD, POST"),
        ("TRACE", "/api/v1/points", "GET, HEAD"),
        ("GET", "/api/v1/sessions/current", "DELETE"),
        ("GET", "/webhooks/card", "POST"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_a_problem_that_says_which_it_has(
    house: House, verb: str, path: str, allowed: str
) -> None:
    answer = await house.ask(verb, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "method-not-allowed"


async def test_head_is_answered_as_get_without_its_body(house: House, session: str) -> None:
    told = await house.get("/api/v1/profile", session)

    head = await house.ask("HEAD", "/api/v1/profile", session)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == told.headers["etag"]
    assert head.headers["content-length"] == told.headers["content-length"]


@pytest.mark.rule("PO-02")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/points", 200),
        ("/api/v1/rooms", 401),
        ("/nowhere", 404),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/orders", 500),
    ],
)
async def test_every_answer_has_the_security_headers(
    house: House, session: str, neighbours: Mapping[str, Fake], path: str, status: int
) -> None:
    async def breaks(_request: object) -> None:
        raise ZeroDivisionError

    neighbours["store"].answers["ListOrders"] = breaks  # type: ignore[assignment]  # that is the mistake

    answer = await house.get(path, "" if status == 401 else session)

    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in HEADERS} == {name: [it] for name, it in HEADERS.items()}
    assert "server" not in answer.headers
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_what_belongs_to_a_member_is_kept_by_no_cache(house: House, session: str) -> None:
    for path in ("/api/v1/points", "/api/v1/nothing"):
        assert (await house.get(path, session)).headers["cache-control"] == "no-store"


async def test_a_mistake_of_ours_says_nothing_of_itself(
    house: House, session: str, neighbours: Mapping[str, Fake]
) -> None:
    async def breaks(_request: object) -> None:
        raise ZeroDivisionError("a secret of ours")

    neighbours["points"].answers["GetBalance"] = breaks  # type: ignore[assignment]  # that is the mistake

    answer = await house.get("/api/v1/points", session)

    assert (answer.status_code, answer.json()["code"]) == (500, "defect")
    assert not re.search("secret|Zero|Traceback", answer.text)
