"""How yen, counts, days and instants are written in each language (PO-10)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal

from services.chassis.jst import JST, jst_date

Value = str | int | date | timedelta
# Babel would round to weeks and months, which may end too early, and lacks these units for two of our languages.
_UNITS = (
    (timedelta(days=1), {"ja": "日", "en": " day", "zh": "天"}),
    (timedelta(hours=1), {"ja": "時間", "en": " hour", "zh": "小时"}),
    (timedelta(minutes=1), {"ja": "分", "en": " minute", "zh": "分钟"}),
    (timedelta(seconds=1), {"ja": "秒", "en": " second", "zh": "秒"}),
)
_DIGITS = re.compile(r"-?[0-9]{1,15}")
_INSTANT = {"ja": "{day} {time}", "en": "{day} at {time} (Japan time)", "zh": "{day} {time}（日本时间）"}


def plain(value: Value, _locale: Locale) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__} needs a format")
    return str(value)


def yen(value: Value, locale: Locale) -> str:
    """Whole yen: `1,500円`, `¥1,500`, `1,500日元` (PR-01)."""
    style: Literal["standard", "name"] = "standard" if locale.language == "en" else "name"
    return format_currency(_whole(value), "JPY", locale=locale, format_type=style)


def count(value: Value, locale: Locale) -> str:
    return format_decimal(_whole(value), locale=locale)


def day(value: Value, locale: Locale) -> str:
    """A day, or the day in Japan of an instant; both also as ISO text (PR-02)."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(value, datetime):
        value = jst_date(value)
    if not isinstance(value, date):
        raise TypeError(f"a {type(value).__name__} is no day")
    return format_date(value, "long", locale)


def instant(value: Value, locale: Locale) -> str:
    """An instant, also as ISO text, by the clocks of Japan (PR-02)."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} is no instant")
    time = format_time(value, "short", tzinfo=JST, locale=locale)
    return _INSTANT[locale.language].format(day=day(value, locale), time=time)


def duration(value: Value, locale: Locale) -> str:
    """A length of time, also as seconds, rounded up to its largest unit: nobody is sent back too early."""
    length = value if isinstance(value, timedelta) else timedelta(seconds=_whole(value))
    unit, words = next((each for each in _UNITS if length >= each[0]), _UNITS[-1])
    number = max(1, math.ceil(length / unit))
    plural = "s" if locale.language == "en" and number > 1 else ""
    return f"{number}{words[locale.language]}{plural}"


def _whole(value: Value) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__} is no whole number")
    return value


Format = Callable[[Value, Locale], str]
FORMATS: Mapping[str, Format] = {
    "": plain,
    "yen": yen,
    "count": count,
    "date": day,
    "instant": instant,
    "duration": duration,
}


def number_word(forms: str) -> Format:
    """One of the words of `point|points`, by the number; a language without plural writes one word, `点|点`."""
    one, _, other = forms.partition("|")

    def word(value: Value, locale: Locale) -> str:
        return one if locale.plural_form(_whole(value)) == "one" else other

    return word
