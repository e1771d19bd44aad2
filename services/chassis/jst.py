"""The calendar: days in Japan, periods as the Civil Code counts them, business days (PR-02 to PR-04)."""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from typing import Self
from zoneinfo import ZoneInfo

import jpholiday

JST = ZoneInfo("Asia/Tokyo")
_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


def jst_date(instant: datetime) -> date:
    """The day it is in Japan at `instant` (PR-02).

    Raises:
        ValueError: the instant carries no zone.
    """
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a zone")
    return instant.astimezone(JST).date()


def _day(day: date) -> date:
    # Python lets an instant pass for a day, and which day it would be depends on the zone.
    if isinstance(day, datetime):
        raise TypeError("a day is asked for, not an instant: say jst_date(instant)")
    return day


def start_of_day(day: date) -> datetime:
    """The instant, in UTC, at which `day` begins in Japan (PR-02).

    Raises:
        TypeError: given an instant instead of a day, as all that take a day here do.
    """
    return datetime.combine(_day(day), time(), JST).astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """24:00 of `day` in Japan, in UTC: the first instant that belongs to it no more (PR-02)."""
    return start_of_day(day + _ONE_DAY)


def deadline(last_day: date) -> datetime:
    """The instant, in UTC, from which on it is too late for what may be done until `last_day` (PR-02).

    Exclusive: an action is in time while `now < deadline(last_day)`.
    """
    return end_of_day(last_day)


def last_day_of(until: datetime) -> date:
    """The day that a `deadline` was made of: people are told the last day, not the first instant after it (PR-02)."""
    return jst_date(until - timedelta(microseconds=1))


def period_end(
    start: date | datetime,
    *,
    days: int = 0,
    weeks: int = 0,
    months: int = 0,
    years: int = 0,
    first_day_counts: bool = False,
) -> date:
    """The last day, in Japan, of a period that is set off on `start` (PR-03).

    Exactly one unit is given. The day of `start` is left out unless `first_day_counts`; an instant stands for
    its day in Japan. Months and years go by the calendar: the period ends on the day before the one that
    corresponds to its first day, or, where that month has no such day, with the month.

    Raises:
        ValueError: not exactly one positive length, or an instant without a zone.
    """
    lengths = [length for length in (days, weeks, months, years) if length]
    if len(lengths) != 1 or lengths[0] < 0:
        raise ValueError("a period is one positive number of days, weeks, months or years")
    first = jst_date(start) if isinstance(start, datetime) else start
    if not first_day_counts:
        first += _ONE_DAY
    if days or weeks:
        return first + timedelta(days=days, weeks=weeks) - _ONE_DAY
    return _day_before_corresponding(first, months + 12 * years)


def _day_before_corresponding(first: date, months: int) -> date:
    year, month0 = divmod(first.year * 12 + first.month - 1 + months, 12)
    month = month0 + 1
    length = monthrange(year, month)[1]
    if first.day > length:
        return date(year, month, length)
    return date(year, month, first.day) - _ONE_DAY


@dataclass(frozen=True, order=True, slots=True)
class Closure:
    """Days on which the company is closed: year-end, Golden Week, summer; both ends belong to it (PR-04)."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("a closure ends before it begins")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A closure from its ISO interval, `2026-12-29/2027-01-03`, or from a single day.

        Raises:
            ValueError: the text is neither.
        """
        first, slash, last = text.strip().partition("/")
        return cls(date.fromisoformat(first), date.fromisoformat(last if slash else first))

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


class BusinessCalendar:
    """Days on which work is done: no weekends, Japanese public holidays or closures (PR-04).

    `version` names the rules that an answer was computed with; a promise stores it beside its date.
    """

    def __init__(self, closures: Iterable[Closure] = ()) -> None:
        ordered = sorted(set(closures))
        self._closed = frozenset(
            closure.first + timedelta(days=offset)
            for closure in ordered
            for offset in range((closure.last - closure.first).days + 1)
        )
        # Hashing the days, not the entries: the same days written differently are the same calendar.
        content = " ".join(day.isoformat() for day in sorted(self._closed))
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        self.version = f"jpholiday-{version('jpholiday')}+{digest}"

    def is_business_day(self, day: date) -> bool:
        return _day(day).weekday() < _SATURDAY and day not in self._closed and not jpholiday.is_holiday(day)

    def next_business_day(self, day: date) -> date:
        """`day` itself when it is a business day, else the first one after it (PR-04)."""
        while not self.is_business_day(day):
            day += _ONE_DAY
        return day

    def add_business_days(self, day: date, count: int) -> date:
        """The `count`-th business day after `day`, which itself is left out (PR-03, PR-04).

        Raises:
            ValueError: the count is not positive.
        """
        if count < 1:
            raise ValueError("business days are counted forward, from one")
        for _ in range(count):
            day = self.next_business_day(day + _ONE_DAY)
        return day
