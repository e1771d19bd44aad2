"""The JSON API over real HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from tests.gateway.fakes import Fake
from tests.gateway.house import House


async def test_a_question_is_answered_as_the_contract_says(
    house: House, session: str, neighbours: Mapping[str, Fake]
) -> None:
    answer = await house.get("/api/v1/points", session)

    assert answer.status_code == 200
    assert answer.json()["lapses"] == [{"last_day": "2026-05-31", "points": 7}]
    assert [method for method, _, _ in neighbours["points"].asked] == ["GetBalance"]
