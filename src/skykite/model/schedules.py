"""Schedule expressions, held to what AWS documents: `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)`.

In: an expression as the user wrote it. Out: nothing, or what is wrong with it and how to write it instead; crons of
Unix are translated. Where AWS's pages are silent (ranges that wrap around, lower-case names), what they do not describe
is refused, since a documented form always says the same. Pure.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from skykite.model.unix_cron import NICKNAMES, translate

UNITS: Final = ("minute", "hour", "day")
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_EXAMPLES: Final = 'write "rate(5 minutes)", or for instance "cron(0 9 ? * MON-FRI *)"'
_ORDER: Final = "minutes, hours, day of month, month, day of week and year"
_WRAPPED: Final = re.compile(r"(rate|cron|at)\((.*)\)", re.IGNORECASE | re.DOTALL)
_PERIOD: Final = re.compile(r"(?:every\s+)?(\d+)\s*([a-z]+?)s?", re.IGNORECASE)
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleProblem:
    """`reason` completes “AWS refuses it: …”."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of a cron's six fields. `names` count from `low`; `steps` is how large an increment may be, 0 if none may."""

    name: str
    low: int
    high: int
    steps: int
    names: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{named}"

    def number(self, text: str) -> int | None:
        """The number a value means, if it is one the field can have."""
        if text in self.names:
            return self.names.index(text) + self.low
        if not text.isascii() or not text.isdigit():
            return None
        return number if self.low <= (number := int(text)) <= self.high else None


_MINUTES: Final = _Field(name="minutes", low=0, high=59, steps=59)
_HOURS: Final = _Field(name="hours", low=0, high=23, steps=23)
_DAY_OF_MONTH: Final = _Field(name="day of month", low=1, high=31, steps=31)
_MONTH: Final = _Field(name="month", low=1, high=12, steps=12, names=MONTHS)
_DAY_OF_WEEK: Final = _Field(name="day of week", low=1, high=7, steps=0, names=DAYS)
_YEAR: Final = _Field(name="year", low=1970, high=2199, steps=229)


class _Refused(Exception):  # noqa: N818  (it never leaves this module)
    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.problem = ScheduleProblem(reason=reason, hint=hint)


def find_problem(expression: str) -> ScheduleProblem | None:
    """What AWS would refuse in a schedule that repeats; `None` if it would take it."""
    wrapped = _WRAPPED.fullmatch(expression)
    if wrapped is None:
        return _not_an_expression(expression)
    kind, inside = wrapped.groups()
    if kind != kind.lower():
        return ScheduleProblem(
            reason=f"`{kind}` is in capital letters", hint=f'write "{kind.lower()}({" ".join(inside.split())})"'
        )
    if inside != " ".join(inside.split()):
        return ScheduleProblem(reason="it has too many spaces", hint=f'write "{kind}({" ".join(inside.split())})"')
    if kind == "at":
        return ScheduleProblem(reason="`at(…)` is a single moment, and a cron repeats", hint=_EXAMPLES)
    try:
        (_check_rate if kind == "rate" else _check_cron)(inside)
    except _Refused as refused:
        return refused.problem
    return None


def _not_an_expression(text: str) -> ScheduleProblem:
    stripped = text.strip()
    if stripped != text and _WRAPPED.fullmatch(stripped):
        return ScheduleProblem(reason="it has spaces around it", hint=f'write "{stripped}"')
    reason = "it is neither a rate nor a cron"
    if stripped in NICKNAMES:
        return ScheduleProblem(reason=reason, hint=f'write "{NICKNAMES[stripped]}"')
    period = _PERIOD.fullmatch(stripped)
    if period and period[2].lower() in UNITS and int(period[1]) > 0:
        return ScheduleProblem(reason=reason, hint=f'write "{_rate(int(period[1]), period[2].lower())}"')
    fields = stripped.split()
    if len(fields) == 5 and (crons := translate(stripped)):
        return ScheduleProblem(reason="it is a cron of Unix, and AWS's have six fields", hint=_as_written(crons))
    if len(fields) == 6 and find_problem(f"cron({' '.join(fields)})") is None:
        return ScheduleProblem(reason=reason, hint=f'write "cron({" ".join(fields)})"')
    return ScheduleProblem(reason=reason, hint=_EXAMPLES)


def _rate(value: int, unit: str) -> str:
    return f"rate({value} {unit}{'s' if value != 1 else ''})"


def _check_rate(inside: str) -> None:
    value, _, unit = inside.partition(" ")
    if not value.isascii() or not value.isdigit() or value.startswith("0"):
        raise _Refused(f"`{value}` is not a positive whole number", 'write for instance "rate(5 minutes)"')
    number = int(value)
    known = unit.lower().removesuffix("s")
    if known in UNITS:
        right = _rate(number, known)
        if unit.lower() != unit:
            raise _Refused(f"`{unit}` is in capital letters", f'write "{right}"')
        if right != f"rate({inside})":
            wanted = "singular" if number == 1 else "plural"
            raise _Refused(f"the unit of {number} is {wanted}", f'write "{right}"')
        return
    hint = "the units are `minutes`, `hours` and `days`"
    if known == "week":
        hint = f'write "{_rate(number * 7, "day")}"'
    elif known == "second":
        hint = 'once a minute is the most often: "rate(1 minute)"'
    raise _Refused(f"`{unit}` is not a unit" if unit else "it has no unit", hint)


def _check_cron(inside: str) -> None:
    fields = inside.split(" ")
    if len(fields) == 5 and (crons := translate(inside)):
        raise _Refused("it has five fields, as crons of Unix do, and AWS's have six", _as_written(crons))
    if len(fields) == 7 and find_problem(f"cron({' '.join(fields[1:])})") is None:
        raise _Refused(
            "it has seven fields, and AWS's crons begin with minutes", f'write "cron({" ".join(fields[1:])})"'
        )
    if len(fields) != 6:
        count = len(fields) if inside else 0
        raise _Refused(f"it has {count} field{'s' if count != 1 else ''}", f"the six fields are {_ORDER}")
    minutes, hours, day_of_month, month, day_of_week, year = fields
    _check_one_day(fields)
    _check_list(minutes, _MINUTES)
    _check_list(hours, _HOURS)
    _check_day_of_month(day_of_month)
    _check_list(month, _MONTH)
    _check_day_of_week(day_of_week)
    _check_list(year, _YEAR)
    _check_day_exists(day_of_month, month)


def _check_one_day(fields: list[str]) -> None:
    """Exactly one of day of month and day of week says something."""
    _, _, day_of_month, _, day_of_week, _ = fields
    if day_of_month == day_of_week == "?":
        better = [*fields[:2], "*", *fields[3:]]
        raise _Refused("day of month and day of week are both `?`", f'for every day, write "cron({" ".join(better)})"')
    if "?" in (day_of_month, day_of_week):
        return
    if day_of_week == "*":
        hint = f'write "cron({" ".join([*fields[:4], "?", fields[5]])})"'
    elif day_of_month == "*":
        hint = f'write "cron({" ".join([*fields[:2], "?", *fields[3:]])})"'
    else:
        hint = "one of them must be `?`; for days of either kind, use two crons"
    raise _Refused("it gives both a day of month and a day of week", hint)


def _check_day_of_month(text: str) -> None:
    if text in ("?", "L", "LW"):
        return
    if text.endswith("W") and _DAY_OF_MONTH.number(text[:-1]) is not None:
        return
    _check_list(text, _DAY_OF_MONTH)


def _check_day_of_week(text: str) -> None:
    if text in ("?", "L"):
        return
    if text.endswith("L") and _DAY_OF_WEEK.number(text[:-1]) is not None:
        return
    if "#" in text:
        day, _, nth = text.partition("#")
        if _DAY_OF_WEEK.number(day) is None or nth not in ("1", "2", "3", "4", "5"):
            raise _Refused(
                f"`{text}` is not a day of week and which of the month",
                'write one day, `#` and 1 to 5, for instance "FRI#2" for the second Friday',
            )
        return
    _check_list(text, _DAY_OF_WEEK)


def _check_list(text: str, field: _Field) -> None:
    """Values, ranges and increments, separated by commas; or `*`."""
    for part in text.split(","):
        if part == text == "*":
            return
        base, slash, step = part.partition("/")
        if slash:
            _check_step(text, step, field)
        if slash and base == "*":
            continue
        first, dash, last = base.partition("-")
        ends = [_number(text, end, field) for end in ((first, last) if dash else (first,))]
        if ends[0] > ends[-1]:
            raise _Refused(
                f"the range `{base}` in `{field.name}` runs backwards", f'write "{_unwrapped(field, ends[0], ends[1])}"'
            )


def _number(text: str, value: str, field: _Field) -> int:
    number = field.number(value)
    if number is not None:
        return number
    if value.upper() in field.names:
        raise _Refused(f"`{value}` in `{field.name}` is not in capital letters", f'write "{text.upper()}"')
    if field is _DAY_OF_WEEK and value == "0":
        raise _Refused("`0` is not a day of week", "AWS counts from 1, Sunday, to 7, Saturday; names are clearer")
    shown = f"`{value}` is not a value of `{field.name}`" if value else f"`{text}` lacks a value in `{field.name}`"
    raise _Refused(shown, f"it takes {field.values}")


def _check_step(text: str, step: str, field: _Field) -> None:
    if not field.steps:
        raise _Refused(
            f"`{field.name}` takes no increments, as in `{text}`", 'name the days, for instance "MON,WED,FRI"'
        )
    if not step.isascii() or not step.isdigit() or not 1 <= int(step) <= field.steps:
        raise _Refused(
            f"`{step}` is not an increment of `{field.name}`", f"increments of `{field.name}` are 1 to {field.steps}"
        )


def _unwrapped(field: _Field, first: int, last: int) -> str:
    """What a range that runs over the end means, as a list."""
    if field is _YEAR:
        return f"{last}-{first}"
    if field.names:
        values = [*range(first, field.high + 1), *range(field.low, last + 1)]
        return ",".join(field.names[value - field.low] for value in values)
    ends = [(first, field.high), (field.low, last)]
    return ",".join(f"{low}-{high}" if low != high else f"{low}" for low, high in ends)


def _check_day_exists(day_of_month: str, month: str) -> None:
    """A day that none of the months has: AWS might take it, and never run it."""
    days = day_of_month.removesuffix("W").split(",")
    if not all(day.isdigit() for day in days) or not all(_MONTH.number(name) for name in month.split(",")):
        return
    longest = max(_LONGEST_MONTHS[(_MONTH.number(name) or 1) - 1] for name in month.split(","))
    if min(int(day) for day in days) > longest:
        raise _Refused(f"there is no day {day_of_month} in {month}", "`L` is the last day of each month")


def _as_written(crons: tuple[str, ...]) -> str:
    if len(crons) == 1:
        return f'write "{crons[0]}"'
    return "Unix runs it on days of either kind; AWS takes two: " + " and ".join(f'"{cron}"' for cron in crons)
