"""Crons of Unix (`*/5 9-17 * * 1-5`) as AWS writes them. In: five fields. Out: expressions that say the same. Pure.

Unix counts the days of the week from 0 (Sunday; 7 is Sunday, too), and if both a day of month and a day of week are
given, runs on either; AWS counts from 1, takes one of them, and has a year.
"""

from __future__ import annotations

import re
from typing import Final

NICKNAMES: Final = {
    "@hourly": "cron(0 * * * ? *)",
    "@daily": "cron(0 0 * * ? *)",
    "@midnight": "cron(0 0 * * ? *)",
    "@weekly": "cron(0 0 ? * SUN *)",
    "@monthly": "cron(0 0 1 * ? *)",
    "@yearly": "cron(0 0 1 1 ? *)",
    "@annually": "cron(0 0 1 1 ? *)",
}
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PART: Final = re.compile(r"(\*|[A-Za-z0-9]+)(?:-([A-Za-z0-9]+))?(?:/([0-9]+))?")


def translate(text: str) -> tuple[str, ...] | None:
    """One expression; two if Unix would run it on days of either kind; `None` for what is no cron of Unix."""
    try:
        minutes, hours, day_of_month, month, day_of_week = text.split()
        shared = _field(minutes, 0, 59), _field(hours, 0, 23)
        days = _field(day_of_month, 1, 31)
        months = _field(month, 1, 12, _MONTHS)
        weekdays = _weekdays(day_of_week)
    except ValueError:
        return None
    narrowing = "*" in (day_of_month[0], day_of_week[0])  # both days must be right, instead of either
    if not narrowing and "*" in (days, weekdays):
        days = weekdays = "*"
    by_month = f"cron({shared[0]} {shared[1]} {days} {months} ? *)"
    by_week = f"cron({shared[0]} {shared[1]} ? {months} {weekdays} *)"
    if weekdays == "*":
        return (by_month,)
    if days == "*":
        return (by_week,)
    return None if narrowing else (by_month, by_week)


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> str:
    """Raises ValueError."""
    return ",".join(_part(part, text == part, low, high, names) for part in text.split(","))


def _part(part: str, alone: bool, low: int, high: int, names: tuple[str, ...]) -> str:
    first, last, step = _bounds(part, low, high, names)
    if part == "*" or (first, last, step) == (low, high, 1):
        if not alone:
            raise ValueError(part)
        return "*"
    start = part.partition("/")[0].partition("-")[0]
    shown = f"{low}" if start == "*" else start.upper()
    if last != first and start != "*":
        shown = part.partition("/")[0].upper()
    return f"{shown}/{step}" if step > 1 and last != first else shown


def _bounds(part: str, low: int, high: int, names: tuple[str, ...]) -> tuple[int, int, int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(part)
    start, end, step = match[1], match[2], int(match[3] or 1)
    if start == "*":
        first, last = low, high
        if end is not None:
            raise ValueError(part)
    else:
        first = _number(start, names, low)
        last = first if end is None else _number(end, names, low)
        if match[3] is not None and end is None:
            raise ValueError(part)  # `5/15` is no cron of Unix
    if not low <= first <= last <= high or not 1 <= step <= high - low:
        raise ValueError(part)
    return first, last, step


def _number(text: str, names: tuple[str, ...], low: int) -> int:
    return names.index(text.upper()) + low if text.upper() in names else int(text)


def _weekdays(text: str) -> str:
    """By name; ranges as such where AWS has them."""
    parts: list[str] = []
    for part in text.split(","):
        first, last, step = _bounds(part, 0, 7, _DAYS)
        if part.startswith("*"):
            last = 6
        if (first, last, step) == (0, 6, 1):
            return "*"
        days = [number % 7 for number in range(first, last + 1, step)]
        if len(days) > 2 and step == 1 and last < 7:
            parts.append(f"{_DAYS[first]}-{_DAYS[last]}")
        else:
            parts += [_DAYS[day] for day in days]
    return ",".join(dict.fromkeys(parts))
