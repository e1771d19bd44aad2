"""The day and hour on which each deadline of a key order falls: month ends, leap years, year ends, holidays (PR-03)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.chassis.jst import BusinessCalendar, Closure
from services.sparekey.cases.waiting import Waiting
from services.sparekey.settings import Rules
from tests.sparekey.world import jst

PLAIN = Waiting(Rules(), BusinessCalendar())
CLOSED = Waiting(Rules(), BusinessCalendar([Closure(date(2026, 12, 29), date(2027, 1, 3))]))


@pytest.mark.rule("SK-13")
@pytest.mark.parametrize(
    ("mailed_at", "end"),
    [
        (jst(2026, 2, 21, 23, 59, 59), jst(2026, 3, 1)),
        (jst(2028, 2, 22), jst(2028, 3, 1)),
        (jst(2028, 2, 23), jst(2028, 3, 2)),
        (jst(2026, 12, 28, 9), jst(2027, 1, 5)),
        (datetime(2026, 4, 3, 14, 59, 59, tzinfo=UTC), jst(2026, 4, 11)),
        (datetime(2026, 4, 3, 15, tzinfo=UTC), jst(2026, 4, 12)),
    ],
)
def test_the_week_ends_with_its_seventh_day_in_japan(mailed_at: datetime, end: datetime) -> None:
    assert PLAIN.for_number(mailed_at) == end


@pytest.mark.rule("SK-32")
@pytest.mark.parametrize(
    ("absent_on", "reminders", "end"),
    [
        (jst(2026, 12, 28, 18), [jst(2026, 12, 29, 10), jst(2027, 1, 1, 10), jst(2027, 1, 3, 10)], jst(2027, 1, 5)),
        (jst(2028, 2, 23, 18), [jst(2028, 2, 24, 10), jst(2028, 2, 27, 10), jst(2028, 2, 29, 10)], jst(2028, 3, 2)),
        (jst(2026, 2, 24, 18), [jst(2026, 2, 25, 10), jst(2026, 2, 28, 10), jst(2026, 3, 2, 10)], jst(2026, 3, 4)),
    ],
)
def test_the_post_holds_seven_days_and_reminds_on_its_mornings(
    absent_on: datetime, reminders: list[datetime], end: datetime
) -> None:
    asked = [absent_on, *reminders[:-1]]

    assert PLAIN.held(absent_on, absent_on)["deadline"] == end
    assert [PLAIN.held(absent_on, now)["remind_at"] for now in asked] == reminders


@pytest.mark.parametrize("days", [{"hold_reminders": (8,)}, {"hold_reminders": (0,)}, {"storage_reminders": (7, 28)}])
def test_a_reminder_outside_what_it_reminds_of_is_refused(days: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(days))}\n.*a reminder falls into what it reminds of"):
        Rules.model_validate(days)


@pytest.mark.rule("SK-34")
@pytest.mark.parametrize(
    ("returned_on", "last_day"),
    [
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2028, 1, 30), date(2028, 2, 29)),
        (date(2028, 1, 31), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 3, 28)),
        (date(2026, 2, 28), date(2026, 3, 27)),
        (date(2026, 3, 31), date(2026, 4, 30)),
        (date(2026, 12, 1), date(2026, 12, 31)),
        (date(2026, 12, 31), date(2027, 1, 30)),
    ],
)
def test_the_month_at_the_maker_counts_its_first_day_and_ends_by_the_calendar(
    returned_on: date, last_day: date
) -> None:
    noon = jst(returned_on.year, returned_on.month, returned_on.day, 12)
    end = jst(last_day.year, last_day.month, last_day.day) + timedelta(days=1)

    waits = PLAIN.stored(returned_on, returned_on, noon)

    assert waits["deadline"] == end
    assert waits["remind_at"] == end - timedelta(days=15) + timedelta(hours=10)


@pytest.mark.rule("SK-15")
@pytest.mark.parametrize(
    ("waiting", "asked_at", "end"),
    [
        (PLAIN, jst(2026, 4, 28, 12), jst(2026, 5, 8)),
        (PLAIN, jst(2026, 12, 25, 12), jst(2026, 12, 31)),
        (CLOSED, jst(2026, 12, 25, 12), jst(2027, 1, 6)),
        (PLAIN, jst(2028, 2, 28, 12), jst(2028, 3, 3)),
        (PLAIN, jst(2026, 2, 27, 23, 59), jst(2026, 3, 5)),
    ],
)
def test_three_business_days_pass_over_weekends_holidays_and_closures(
    waiting: Waiting, asked_at: datetime, end: datetime
) -> None:
    assert waiting.for_maker(asked_at) == {"patience_until": end}


@pytest.mark.rule("SK-28")
@pytest.mark.parametrize(
    ("waiting", "ordered_at", "promised"),
    [
        (PLAIN, jst(2026, 12, 25, 12), date(2027, 1, 6)),
        (CLOSED, jst(2026, 12, 25, 12), date(2027, 1, 12)),
        (PLAIN, jst(2028, 2, 21, 12), date(2028, 3, 2)),
    ],
)
def test_dispatch_is_promised_over_the_year_end_and_the_leap_day(
    waiting: Waiting, ordered_at: datetime, promised: date
) -> None:
    assert waiting.promise(ordered_at) == promised


@pytest.mark.rule("SK-41")
@pytest.mark.parametrize(
    ("scanned_at", "end"),
    [
        (jst(2028, 2, 15, 9), jst(2028, 3, 1)),
        (jst(2026, 2, 15, 9), jst(2026, 3, 2)),
        (jst(2026, 12, 20), jst(2027, 1, 4)),
    ],
)
def test_fourteen_days_without_a_scan_end_with_the_fourteenth(scanned_at: datetime, end: datetime) -> None:
    assert PLAIN.for_scan(scanned_at) == {"patience_until": end}


@pytest.mark.rule("SK-25")
@pytest.mark.parametrize(
    ("wish", "leaves_at"),
    [
        (date(2027, 1, 1), jst(2026, 12, 30)),
        (date(2028, 3, 2), jst(2028, 2, 29)),
        (date(2026, 3, 2), jst(2026, 2, 28)),
    ],
)
def test_a_key_leaves_two_days_before_the_day_wished_for(wish: date, leaves_at: datetime) -> None:
    assert PLAIN.leaves_at(wish) == leaves_at
