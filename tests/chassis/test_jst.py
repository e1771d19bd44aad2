from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.jst import (
    JST,
    BusinessCalendar,
    Closure,
    deadline,
    end_of_day,
    jst_date,
    last_day_of,
    period_end,
    start_of_day,
)


class Length(TypedDict, total=False):
    days: int
    weeks: int
    months: int
    years: int


DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))
YEAR_END = Closure(date(2026, 12, 29), date(2027, 1, 3))


@pytest.mark.rule("PR-02")
def test_a_deadline_is_midnight_in_tokyo_kept_in_utc() -> None:
    last_day = date(2026, 7, 13)

    instant = deadline(last_day)

    assert instant == datetime(2026, 7, 13, 15, tzinfo=UTC)
    assert instant.tzinfo is UTC
    assert last_day_of(instant) == jst_date(instant - timedelta(microseconds=1)) == last_day
    assert jst_date(instant) == date(2026, 7, 14)


@pytest.mark.rule("PR-02")
@given(DAYS)
def test_a_day_in_japan_has_24_hours_and_holds_only_its_own_instants(day: date) -> None:
    start, end = start_of_day(day), end_of_day(day)

    assert end - start == timedelta(hours=24)
    assert jst_date(start) == jst_date(end - timedelta(microseconds=1)) == day
    assert jst_date(start - timedelta(microseconds=1)) < day < jst_date(end)


@pytest.mark.rule("PR-02")
def test_the_day_is_that_of_japan_wherever_the_instant_was_written() -> None:
    in_new_york = datetime(2026, 3, 3, 10, 30, tzinfo=timezone(timedelta(hours=-5)))

    assert jst_date(in_new_york) == date(2026, 3, 4)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        jst_date(datetime(2026, 3, 3))  # noqa: DTZ001 - the missing zone is the case


@pytest.mark.rule("PR-03")
@pytest.mark.parametrize(
    ("start", "length", "last_day"),
    [
        (date(2026, 2, 28), {"months": 1}, date(2026, 3, 31)),
        (date(2026, 1, 31), {"months": 1}, date(2026, 2, 28)),
        (date(2026, 2, 28), {"years": 2}, date(2028, 2, 29)),
        (date(2026, 7, 3), {"days": 10}, date(2026, 7, 13)),
        (date(2026, 7, 3), {"weeks": 1}, date(2026, 7, 10)),
        (date(2026, 1, 29), {"months": 1}, date(2026, 2, 28)),
        (date(2026, 1, 27), {"months": 1}, date(2026, 2, 27)),
        (date(2028, 2, 28), {"years": 1}, date(2029, 2, 28)),
        (date(2026, 12, 31), {"months": 12}, date(2027, 12, 31)),
        (date(2026, 8, 30), {"months": 18}, date(2028, 2, 29)),
    ],
)
def test_a_period_leaves_out_its_first_day(start: date, length: Length, last_day: date) -> None:
    assert period_end(start, **length) == last_day


@pytest.mark.rule("PR-03")
@pytest.mark.parametrize(
    ("start", "length", "last_day"),
    [
        (date(2026, 4, 10), {"months": 1}, date(2026, 5, 9)),
        (date(2026, 4, 1), {"months": 1}, date(2026, 4, 30)),
        (date(2026, 1, 31), {"months": 1}, date(2026, 2, 28)),
        (date(2028, 2, 29), {"years": 1}, date(2029, 2, 28)),
        (date(2026, 4, 10), {"days": 1}, date(2026, 4, 10)),
        (date(2026, 4, 10), {"weeks": 2}, date(2026, 4, 23)),
    ],
)
def test_a_period_whose_first_day_counts_begins_on_it(start: date, length: Length, last_day: date) -> None:
    assert period_end(start, **length, first_day_counts=True) == last_day


@pytest.mark.rule("PR-03")
def test_a_period_set_off_by_an_instant_starts_from_its_day_in_japan() -> None:
    before_midnight = datetime(2026, 7, 3, 14, 59, 59, tzinfo=UTC)
    midnight = before_midnight + timedelta(seconds=1)

    assert period_end(before_midnight, days=10) == date(2026, 7, 13)
    assert period_end(midnight, days=10) == date(2026, 7, 14)


@pytest.mark.rule("PR-03")
@given(DAYS, st.integers(1, 60))
def test_the_first_day_counted_or_not_is_the_same_as_starting_a_day_earlier(day: date, months: int) -> None:
    counted = period_end(day, months=months, first_day_counts=True)

    assert counted == period_end(day - timedelta(days=1), months=months)


@pytest.mark.rule("PR-03")
@given(DAYS, st.integers(1, 60))
def test_months_end_where_the_calendar_says_however_long_they_are(day: date, months: int) -> None:
    first = day + timedelta(days=1)

    last = period_end(day, months=months)

    following = last + timedelta(days=1)
    asked = first.year * 12 + first.month + months
    reached = following.year * 12 + following.month
    # Either the day after the period corresponds to its first day, or it begins the month after a short one.
    assert (reached, following.day) == (asked, first.day) or (
        (reached, following.day) == (asked + 1, 1) and last.day < first.day
    )


@pytest.mark.rule("PR-03")
@given(DAYS, st.integers(1, 20))
def test_units_agree_with_each_other(day: date, count: int) -> None:
    assert period_end(day, years=count) == period_end(day, months=12 * count)
    assert period_end(day, weeks=count) == period_end(day, days=7 * count)
    assert period_end(day, days=count) == day + timedelta(days=count)


@pytest.mark.parametrize("length", [{}, {"days": 0}, {"days": -1}, {"days": 1, "weeks": 1}, {"months": -1}])
def test_a_period_needs_exactly_one_positive_length(length: Length) -> None:
    with pytest.raises(ValueError, match="one positive number"):
        period_end(date(2026, 7, 3), **length)


@pytest.mark.rule("PR-04")
def test_business_days_leave_out_weekends_holidays_and_closures() -> None:
    calendar = BusinessCalendar([YEAR_END])

    assert calendar.is_business_day(date(2026, 9, 24))
    assert not calendar.is_business_day(date(2026, 9, 26)), "a Saturday"
    assert not calendar.is_business_day(date(2026, 9, 27)), "a Sunday"
    assert not calendar.is_business_day(date(2026, 9, 22)), "a day between two holidays"
    assert not calendar.is_business_day(date(2027, 3, 22)), "in place of a holiday on a Sunday"
    assert not calendar.is_business_day(date(2026, 12, 29)), "the first day of a closure"
    assert not calendar.is_business_day(date(2027, 1, 1)), "inside a closure"
    assert BusinessCalendar().is_business_day(date(2026, 12, 29)), "without the closure"


@pytest.mark.rule("PR-04")
def test_seven_business_days_over_the_year_end_pass_over_everything_closed() -> None:
    calendar = BusinessCalendar([YEAR_END])

    assert calendar.add_business_days(date(2026, 12, 25), 7) == date(2027, 1, 12)
    assert calendar.add_business_days(date(2026, 12, 25), 1) == date(2026, 12, 28)


@pytest.mark.rule("PR-04")
def test_the_next_business_day_is_the_day_itself_when_it_is_one() -> None:
    calendar = BusinessCalendar([YEAR_END])

    assert calendar.next_business_day(date(2026, 12, 28)) == date(2026, 12, 28)
    assert calendar.next_business_day(date(2026, 12, 29)) == date(2027, 1, 4)


@pytest.mark.rule("PR-04")
@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.integers(1, 15))
def test_adding_business_days_and_counting_them_agree(day: date, count: int) -> None:
    calendar = BusinessCalendar([YEAR_END])

    reached = calendar.add_business_days(day, count)

    assert calendar.is_business_day(reached)
    passed = (day + timedelta(days=offset) for offset in range(1, (reached - day).days + 1))
    assert sum(map(calendar.is_business_day, passed)) == count


@pytest.mark.rule("PR-04")
def test_the_version_changes_with_the_days_and_only_with_them() -> None:
    split = [Closure(date(2027, 1, 1), date(2027, 1, 3)), Closure(date(2026, 12, 29), date(2026, 12, 31))]

    assert BusinessCalendar(split).version == BusinessCalendar([YEAR_END]).version
    assert BusinessCalendar(split[:1]).version != BusinessCalendar([YEAR_END]).version


@pytest.mark.parametrize("count", [0, -1])
def test_business_days_are_only_counted_forward(count: int) -> None:
    with pytest.raises(ValueError, match="forward"):
        BusinessCalendar().add_business_days(date(2026, 7, 3), count)


def test_a_closure_is_written_as_an_interval_or_a_day() -> None:
    assert Closure.parse("2026-12-29/2027-01-03") == YEAR_END
    assert Closure.parse(" 2026-08-13 ") == Closure(date(2026, 8, 13), date(2026, 8, 13))
    assert Closure.parse(str(YEAR_END)) == YEAR_END


@pytest.mark.parametrize("text", ["", "soon", "2027-01-03/2026-12-29", "2026-12-29/", "2026-12-29/x"])
def test_a_closure_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library words it
        Closure.parse(text)


def test_japan_is_nine_hours_ahead() -> None:
    assert datetime(2026, 7, 3, tzinfo=JST).utcoffset() == timedelta(hours=9)


def test_an_instant_does_not_pass_for_a_day() -> None:
    instant = datetime(2026, 7, 3, 20, tzinfo=UTC)

    for takes_a_day in (deadline, start_of_day, BusinessCalendar().is_business_day):
        with pytest.raises(TypeError, match="jst_date"):
            takes_a_day(instant)
