"""Schedule expressions: `rate(…)`, `cron(…)`, `at(…)`, as AWS reads them, and when each is due next. Pure.

Cron has six fields, names and `L`, `W`, `#`; one of the two day fields must be `?`. In a timezone with summer time, a
time that does not exist is left out, and one that comes twice is due once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import partial

_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES, 1)}
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)")
_CRON = re.compile(r"cron\((.*)\)")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_WEEK = 7

Matches = Callable[[date], bool]


class ExpressionError(ValueError):
    """AWS would refuse this expression; the text says why."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds, counted from when it was made."""

    seconds: int

    def next_after(self, moment: float, zone: tzinfo, anchor: float) -> float | None:
        passed = max(0.0, moment - anchor) // self.seconds
        return float(anchor + (passed + 1) * self.seconds)


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    when: datetime

    def next_after(self, moment: float, zone: tzinfo, anchor: float) -> float | None:
        """Also if it has passed: whether it is done already is not for an expression to know."""
        return self.when.replace(tzinfo=zone).timestamp()


@dataclass(frozen=True, slots=True)
class Cron:
    """At the minutes of days that its fields name."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    is_day: Matches

    def next_after(self, moment: float, zone: tzinfo, anchor: float) -> float | None:
        start = datetime.fromtimestamp(moment, zone)
        for day in self._days(start.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                    due = local.timestamp()
                    exists = datetime.fromtimestamp(due, zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                    if due > moment and exists:
                        return due
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in self.years:
            if year < first.year:
                continue
            for month in self.months:
                if (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.is_day(day):
                        yield day


Expression = Rate | At | Cron


def parse_expression(text: str, *, one_time: bool = False) -> Expression:
    """Raises `ExpressionError`. `one_time` says that `at` is allowed, as for EventBridge Scheduler."""
    if match := _RATE.fullmatch(text):
        return _rate(match)
    if (match := _AT.fullmatch(text)) and one_time:
        try:
            return At(datetime.fromisoformat(match[1]))
        except ValueError as error:
            raise ExpressionError(f"`{match[1]}` is no time: {error}") from error
    if match := _CRON.fullmatch(text):
        return _cron(match[1])
    forms = "rate(5 minutes), cron(0 12 * * ? *)" + (" or at(2030-01-31T12:00:00)" if one_time else "")
    raise ExpressionError(f"it is not of the form {forms}")


def _rate(match: re.Match[str]) -> Rate:
    count = int(match[1])
    if count < 1:
        raise ExpressionError("the value of a rate must be greater than 0")
    if (count == 1) == bool(match[3]):
        raise ExpressionError(f"{count} takes the unit `{match[2]}{'' if count == 1 else 's'}`")
    return Rate(count * _UNITS[match[2]])


def _cron(text: str) -> Cron:
    fields = text.split()
    if len(fields) != 6:
        raise ExpressionError(f"a cron expression has 6 fields; this one has {len(fields)}")
    minutes, hours, days, months, weekdays, years = (field.upper() for field in fields)
    if (days == "?") == (weekdays == "?"):
        raise ExpressionError("one of day-of-month and day-of-week, and only one, must be `?`")
    return Cron(
        minutes=_numbers("minutes", minutes, 0, 59),
        hours=_numbers("hours", hours, 0, 23),
        months=_numbers("month", months, 1, 12, _MONTHS),
        years=_numbers("year", years, _FIRST_YEAR, _LAST_YEAR),
        is_day=_day_of_month(days) if weekdays == "?" else _day_of_week(weekdays),
    )


def _numbers(field: str, text: str, least: int, most: int, names: dict[str, int] | None = None) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(field, step_text, 1, most, {}) if slash else 1
        if span == "*":
            first, last = least, most
        else:
            low, dash, high = span.partition("-")
            first = _number(field, low, least, most, names or {})
            last = _number(field, high, least, most, names or {}) if dash else (most if slash else first)
            if last < first:
                raise ExpressionError(f"`{part}` of the field {field} ends before it begins")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _number(field: str, text: str, least: int, most: int, names: dict[str, int]) -> int:
    number = names.get(text, int(text) if text.isdecimal() else None)
    if number is None or not least <= number <= most:
        raise ExpressionError(f"`{text}` is no value of the field {field}, which goes from {least} to {most}")
    return number


def _day_of_month(text: str) -> Matches:
    tests: list[Matches] = []
    for part in text.split(","):
        if part == "L":
            tests.append(lambda day: day.day == _length(day))
        elif part == "LW":
            tests.append(lambda day: day.day == _nearest_weekday(day, _length(day)))
        elif part.endswith("W"):
            tests.append(partial(_is_weekday_near, _number("day-of-month", part[:-1], 1, 31, {})))
        else:
            tests.append(partial(_is_day_in, _numbers("day-of-month", part, 1, 31)))
    return lambda day: any(test(day) for test in tests)


def _day_of_week(text: str) -> Matches:
    tests: list[Matches] = []
    for part in text.split(","):
        name, hash_sign, count = part.partition("#")
        if hash_sign:
            tests.append(partial(_is_nth, _weekday(name), _number("day-of-week", count, 1, 5, {})))
        elif part == "L":
            tests.append(partial(_is_weekday_in, (_WEEK,)))
        elif part.endswith("L"):
            tests.append(partial(_is_last, _weekday(part[:-1])))
        else:
            tests.append(partial(_is_weekday_in, _numbers("day-of-week", part, 1, 7, _DAYS)))
    return lambda day: any(test(day) for test in tests)


def _is_day_in(days: tuple[int, ...], day: date) -> bool:
    return day.day in days


def _is_weekday_near(wanted: int, day: date) -> bool:
    return day.day == _nearest_weekday(day, wanted)


def _is_weekday_in(weekdays: tuple[int, ...], day: date) -> bool:
    return _weekday_of(day) in weekdays


def _is_nth(weekday: int, count: int, day: date) -> bool:
    return _weekday_of(day) == weekday and (day.day - 1) // _WEEK + 1 == count


def _is_last(weekday: int, day: date) -> bool:
    return _weekday_of(day) == weekday and day.day + _WEEK > _length(day)


def _weekday(text: str) -> int:
    return _number("day-of-week", text, 1, 7, _DAYS)


def _weekday_of(day: date) -> int:
    """Sunday is 1."""
    return day.isoweekday() % _WEEK + 1


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> int:
    """The weekday nearest to that day, within its month."""
    length = _length(day)
    wanted = min(wanted, length)
    weekday = day.replace(day=wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == _WEEK:
        return wanted + 1 if wanted < length else wanted - 2
    return wanted
