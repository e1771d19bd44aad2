"""Problems: stable for programs, in the reader's language for people (PO-01, PR-12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from starlette.datastructures import Headers

from services.chassis.errors import TABLE, Crowded, InvalidField, Kind, NotAllowed, RemoteError, Violation
from services.gateway.problems import Problems
from services.texts import Texts
from tests.gateway.fakes import Fake
from tests.gateway.house import House

ELSEWHERE = {Kind.DEFECT, Kind.UNAUTHENTICATED, Kind.TOO_LATE}
"""Kinds that the gateway does not hand on from a question as they are."""


@pytest.fixture(scope="module")
def problems() -> Problems:
    return Problems(Texts.load())


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("asked", "language", "title", "detail"),
    [
        ("ja", "ja", "入力内容", "選択肢"),
        ("en-GB,ja;q=0.5", "en", "Something you entered", "options offered"),
        ("zh-CN", "zh-Hans", "请", "选"),
        ("fr", "ja", "入力内容", "選択肢"),
        ("", "ja", "入力内容", "選択肢"),
    ],
)
async def test_a_problem_is_in_the_readers_language_and_its_type_in_none(
    house: House, asked: str, language: str, title: str, detail: str
) -> None:
    body = {"address": "hana@example.jp", "language": "fr"}

    answer = await house.post("/api/v1/sign-up/codes", json=body, headers={"Accept-Language": asked})

    problem = answer.json()
    assert answer.headers["content-language"] == language
    assert (problem["type"], problem["code"]) == ("https://ruum.example/problems/invalid-field", "invalid-field")
    assert (problem["status"], answer.status_code, problem["retryable"]) == (400, 400, False)
    assert title in problem["title"]
    [error] = problem["errors"]
    assert (error["field"], error["code"]) == ("language", "field-string-in")
    assert detail in error["detail"]


@pytest.mark.rule("PR-13")
async def test_a_refusal_keeps_its_name_its_field_and_what_it_counts(
    house: House, session: str, neighbours: Mapping[str, Fake]
) -> None:
    refusal = RemoteError(Kind.REFUSED, "points-short", field="points_some", available=12)
    neighbours["points"].answers["GetBalance"] = refusal

    answer = await house.get("/api/v1/points", session, headers={"Accept-Language": "en"})

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (409, "points-short", "points_some")
    assert problem["params"] == {"available": 12}
    assert "12" in problem["title"]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in ELSEWHERE])
async def test_each_kind_of_failure_has_its_status(
    house: House, session: str, neighbours: Mapping[str, Fake], kind: Kind
) -> None:
    neighbours["points"].answers["GetBalance"] = RemoteError(kind, "no-text-of-this-name")

    answer = await house.get("/api/v1/points", session)

    assert (answer.status_code, answer.json()["code"]) == (TABLE[kind].http, "no-text-of-this-name")
    assert answer.json()["title"]
    assert ("retry-after" in answer.headers) == answer.json()["retryable"] == TABLE[kind].retryable


@pytest.mark.rule("PR-15")
async def test_what_is_anothers_is_not_found(house: House, session: str, neighbours: Mapping[str, Fake]) -> None:
    neighbours["store"].answers["GetOrder"] = RemoteError(Kind.NOT_FOUND, "not-found")

    answer = await house.get("/api/v1/orders/ord_" + "0" * 26, session)

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_it_says_when_to_try_again(problems: Problems) -> None:
    exact = problems.answer(Headers(), Crowded(retry_after=timedelta(seconds=61.2)))
    soon = problems.answer(Headers(), Crowded())
    never = problems.answer(Headers(), NotAllowed())

    assert [answer.headers.get("retry-after") for answer in (exact, soon, never)] == ["62", "1", None]


def test_a_violation_without_a_text_still_names_its_field(problems: Problems) -> None:
    failure = InvalidField(violations=[Violation("code", "field-of-a-rule-to-come", {})])

    answer = problems.answer(Headers({"accept-language": "en"}), failure)

    assert b'"field":"code"' in bytes(answer.body)
    assert b"not valid" in bytes(answer.body)


def test_a_text_that_lacks_a_parameter_is_said_in_general(problems: Problems) -> None:
    failure = RemoteError(Kind.TOO_MANY, "rate-limited")

    answer = problems.answer(Headers({"accept-language": "en"}), failure)

    assert answer.status_code == 429
    assert b"Please try again" in bytes(answer.body)
