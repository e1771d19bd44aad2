"""A fixed part of `make faults`: a process dies after an effect and before it is reported (QA-05)."""

from __future__ import annotations

import pytest

from tests.faults.crashes import EFFECTS, survive
from tests.journeys.town import Town

pytestmark = pytest.mark.timeout(300)


@pytest.mark.rule("QA-05")
@pytest.mark.parametrize(
    ("effect", "victim"),
    [
        ("the card is authorised", "store"),
        ("the card is charged", "worker"),
        ("the redelivery is dispatched", "sparekey"),
    ],
)
async def test_an_effect_stands_once_though_a_process_died_before_reporting_it(
    town: Town, effect: str, victim: str
) -> None:
    await survive(town, EFFECTS[effect], victim)

    assert await town.books_agree() == ()
