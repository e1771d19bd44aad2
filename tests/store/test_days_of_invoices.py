"""When an invoice is late, over month ends, the leap day and the year's end (ST-24)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.chassis.jst import JST
from services.store.invoices.models import Invoice
from services.store.settings import Rules
from tests.store.world import NOW

LATE = Rules().late


@pytest.mark.rule("ST-24")
@pytest.mark.parametrize(
    ("due_on", "charged_on"),
    [
        (date(2026, 12, 31), [date(2027, 1, 1), date(2027, 1, 15), date(2027, 1, 29)]),
        (date(2028, 2, 15), [date(2028, 2, 16), date(2028, 3, 1), date(2028, 3, 15)]),
        (date(2026, 2, 14), [date(2026, 2, 15), date(2026, 3, 1), date(2026, 3, 15)]),
    ],
)
def test_each_charge_comes_when_a_last_day_is_over_in_japan(due_on: date, charged_on: list[date]) -> None:
    about = {"invoice_id": "inv", "order_id": "ord", "payment_id": "pay", "member_id": "mem", "amount": 3_300}
    invoice = Invoice.make(**about, state="issued", due_on=due_on, requested_at=NOW)

    charged = [invoice.due(ordinal, LATE) for ordinal in (1, 2, 3)]

    assert [at.astimezone(JST).date() for at in charged] == charged_on
    assert {at.astimezone(UTC).hour for at in charged} == {15}
    assert charged[1] - charged[0] == charged[2] - charged[1] == timedelta(days=14)
    assert charged[0] == datetime(due_on.year, due_on.month, due_on.day, 15, tzinfo=UTC)
