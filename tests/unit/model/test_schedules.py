"""Schedule expressions: what AWS is known to take and to refuse, and translations that mean the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skykite.model.schedules import DAYS, MONTHS, find_problem
from skykite.model.unix_cron import NICKNAMES, translate

# Seen to be taken by PutRule, or on AWS's pages.
TAKEN = [
    "rate(1 minute)",
    "rate(5 minutes)",
    "rate(1 hour)",
    "rate(7 days)",
    "cron(0 2 ? * SAT *)",
    "cron(0 12 * * ? *)",
    "cron(5,35 14 * * ? *)",
    "cron(15 10 ? * 6L 2002-2005)",
    "cron(0 2 ? * SAT#3 *)",
    "cron(* * ? * 3#2 *)",
    "cron(0/5 5 ? JAN 1-5 2022)",
    "cron(0/15 * * * ? *)",
    "cron(0/10 * ? * MON-FRI *)",
    "cron(0/5 8-17 ? * MON-FRI *)",
    "cron(0 8 1 * ? *)",
    "cron(0 9 L * ? *)",
    "cron(0 9 LW * ? *)",
    "cron(0 9 3W * ? *)",
    "cron(0 9 ? * L *)",
    "cron(0 9 ? JAN,MAR-MAY 2,4,6 2024,2026-2030)",
    "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
    "cron(1-31/30 1-1 1-31/30 */3 ? */2)",
    "cron(0 0 29 2 ? *)",
]
# Seen to be refused by PutRule, or contradicting AWS's pages. What is to be done about it stands beside it.
REFUSED = {
    "rate(10 seconds)": 'once a minute is the most often: "rate(1 minute)"',
    "rate(10 years)": "the units are `minutes`, `hours` and `days`",
    "rate(2 weeks)": 'write "rate(14 days)"',
    "rate(1 minutes)": 'write "rate(1 minute)"',
    "rate(1 hours)": 'write "rate(1 hour)"',
    "rate(10 day)": 'write "rate(10 days)"',
    "rate()": 'write for instance "rate(5 minutes)"',
    "rate(10)": "the units are `minutes`, `hours` and `days`",
    "rate(foo minutes)": 'write for instance "rate(5 minutes)"',
    "rate(0 minutes)": 'write for instance "rate(5 minutes)"',
    "rate(-10 minutes)": 'write for instance "rate(5 minutes)"',
    "rate(10 MINUTES)": 'write "rate(10 minutes)"',
    "rate( 10 minutes )": 'write "rate(10 minutes)"',
    " rate(10 minutes)": 'write "rate(10 minutes)"',
    "5 minutes": 'write "rate(5 minutes)"',
    "every 1 hours": 'write "rate(1 hour)"',
    "at(2026-12-01T08:00:00)": 'write "rate(5 minutes)", or for instance "cron(0 9 ? * MON-FRI *)"',
    "nightly": 'write "rate(5 minutes)", or for instance "cron(0 9 ? * MON-FRI *)"',
    "": 'write "rate(5 minutes)", or for instance "cron(0 9 ? * MON-FRI *)"',
    "@daily": 'write "cron(0 0 * * ? *)"',
    "0 9 * * *": 'write "cron(0 9 * * ? *)"',
    "0 9 * * ? *": 'write "cron(0 9 * * ? *)"',
    "cron(*/15 9-17 * * 1-5)": 'write "cron(0/15 9-17 ? * MON-FRI *)"',
    "cron(0 9 1 * 1)": "Unix runs it on days of either kind; AWS takes two: "
    '"cron(0 9 1 * ? *)" and "cron(0 9 ? * MON *)"',
    "CRON(0 9 * * ? *)": 'write "cron(0 9 * * ? *)"',
    "cron(0  9 * * ? *)": 'write "cron(0 9 * * ? *)"',
    "cron(30 0 9 * * ? *)": 'write "cron(0 9 * * ? *)"',
    "cron(INVALID)": "the six fields are minutes, hours, day of month, month, day of week and year",
    "cron()": "the six fields are minutes, hours, day of month, month, day of week and year",
    "cron(0 1 * * * *)": 'write "cron(0 1 * * ? *)"',
    "cron(0 9 * * MON-FRI *)": 'write "cron(0 9 ? * MON-FRI *)"',
    "cron(0 9 1 * MON *)": "one of them must be `?`; for days of either kind, use two crons",
    "cron(0 9 ? * ? *)": 'for every day, write "cron(0 9 * * ? *)"',
    "cron(7 20 ? * NOT *)": "it takes 1-7 or SUN-SAT",
    "cron(0 dummy ? * MON-FRI *)": "it takes 0-23",
    "cron(71 8 1 * ? *)": "it takes 0-59",
    "cron(0 8 0 * ? *)": "it takes 1-31",
    "cron(0 8 1 13 ? *)": "it takes 1-12 or JAN-DEC",
    "cron(0 8 1 * ? 1969)": "it takes 1970-2199",
    "cron(0 8 1 ? ? *)": "it takes 1-12 or JAN-DEC",
    "cron(0 8 L-3 * ? *)": "it takes 1-31",
    "cron(0 8 32W * ? *)": "it takes 1-31",
    "cron(0, 8 1 * ? *)": "it takes 0-59",
    "cron(*,5 8 1 * ? *)": "it takes 0-59",
    "cron(/5 8 1 * ? *)": "it takes 0-59",
    "cron(*/60 * * * ? *)": "increments of `minutes` are 1 to 59",
    "cron(0/0 * * * ? *)": "increments of `minutes` are 1 to 59",
    "cron(0 9 ? * 0 *)": "AWS counts from 1, Sunday, to 7, Saturday; names are clearer",
    "cron(0 9 ? * mon-fri *)": 'write "MON-FRI"',
    "cron(0 9 ? * FRI-MON *)": 'write "FRI,SAT,SUN,MON"',
    "cron(0 22-2 * * ? *)": 'write "22-23,0-2"',
    "cron(0 9 ? * 2/2 *)": 'name the days, for instance "MON,WED,FRI"',
    "cron(0 9 ? * 3#1,6#3 *)": 'write one day, `#` and 1 to 5, for instance "FRI#2" for the second Friday',
    "cron(0 9 ? * SAT#6 *)": 'write one day, `#` and 1 to 5, for instance "FRI#2" for the second Friday',
    "cron(0 9 ? * MON,6L *)": "it takes 1-7 or SUN-SAT",
    "cron(0 9 31 APR,JUN ? *)": "`L` is the last day of each month",
    "cron(٣ 9 * * ? *)": "it takes 0-59",
}


@pytest.mark.parametrize("expression", TAKEN)
def test_what_aws_takes_passes(expression: str) -> None:
    assert find_problem(expression) is None


@pytest.mark.parametrize("expression", REFUSED)
def test_what_aws_refuses_comes_with_what_to_write_instead(expression: str) -> None:
    problem = find_problem(expression)
    assert problem is not None
    assert problem.hint == REFUSED[expression]


@given(st.text() | st.text("0123456789*/,-?LW#SUNMONJAN ").map(lambda inside: f"cron({inside})"))
def test_any_text_is_judged(text: str) -> None:
    problem = find_problem(text)
    assert problem is None or (problem.reason and problem.hint)


def _values(low: int, high: int, steps: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """One field of AWS's grammar."""
    number = st.integers(low, high)

    def show(value: int) -> st.SearchStrategy[str]:
        return st.sampled_from([str(value), names[value - low]] if names else [str(value)])

    single = number.flatmap(show)
    span = st.tuples(number, number).map(sorted).flatmap(lambda ends: st.tuples(show(ends[0]), show(ends[1])))
    base = single | span.map("-".join)
    if steps:
        step = st.integers(1, steps)
        base = base | st.tuples(base, step).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | st.lists(base, min_size=1, max_size=4).map(",".join)


@given(
    minutes=_values(0, 59, 59),
    hours=_values(0, 23, 23),
    days=st.tuples(
        _values(1, 28, 31) | st.sampled_from(["L", "LW"]) | st.integers(1, 28).map("{}W".format), st.just("?")
    )
    | st.tuples(
        st.just("?"),
        _values(1, 7, 0, DAYS)
        | st.sampled_from([*DAYS, "5"]).map("{}L".format)
        | st.tuples(st.sampled_from([*DAYS, "1"]), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}"),
    ),
    month=_values(1, 12, 12, MONTHS),
    year=_values(1970, 2199, 229),
)
def test_whatever_aws_describes_passes_and_only_with_one_kind_of_day(
    minutes: str, hours: str, days: tuple[str, str], month: str, year: str
) -> None:
    assert find_problem(f"cron({minutes} {hours} {days[0]} {month} {days[1]} {year})") is None
    assert find_problem(f"cron({minutes} {hours} {month} {year})") is not None
    other = tuple("1" if day == "?" else day for day in days)
    assert find_problem(f"cron({minutes} {hours} {other[0]} {month} {other[1]} {year})") is not None


@given(value=st.integers(1, 10**6), unit=st.sampled_from(["minute", "hour", "day"]))
def test_a_rate_has_one_right_number_of_its_unit(value: int, unit: str) -> None:
    forms = [f"rate({value} {unit})", f"rate({value} {unit}s)"]
    assert [find_problem(form) is None for form in forms] == [value == 1, value != 1]


def test_nicknames_of_unix_are_translated_to_what_aws_takes() -> None:
    assert [find_problem(cron) for cron in NICKNAMES.values()] == [None] * len(NICKNAMES)


_UNIX_FIELD = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}


@st.composite
def unix_field(draw: st.DrawFn, name: str) -> str:
    low, high = _UNIX_FIELD[name]
    if draw(st.booleans()):
        return "*"
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
        step = draw(st.integers(1, high - low))
        parts.append(
            draw(st.sampled_from([f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"*/{max(step, 2)}"]))
        )
    return ",".join(parts)


START = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
MOMENTS = [START + timedelta(hours=7 * index, minutes=11 * index) for index in range(400)]


@settings(max_examples=1000, deadline=None)
@given(
    st.tuples(unix_field("minute"), unix_field("hour")).map(lambda times: " ".join([*times, "* * *"]))
    # Few moments would match times and days together.
    | st.tuples(unix_field("day"), unix_field("month"), unix_field("weekday")).map(
        lambda days: f"* * {' '.join(days)}"
    ),
    st.sampled_from(MOMENTS),
)
def test_a_translated_cron_runs_when_the_one_of_unix_would(text: str, moment: datetime) -> None:
    crons = translate(text)
    if crons is None:
        return
    problems = [find_problem(cron) for cron in crons]
    assert all(problem is None or "there is no day" in problem.reason for problem in problems), crons
    assert any(_aws_matches(cron, moment) for cron in crons) == _unix_matches(text, moment)


def test_what_aws_cannot_say_is_not_translated() -> None:
    assert translate("0 0 */2 * 1") is None, "on Mondays that are odd days"
    assert translate("0 0 1 * */2") is None
    assert translate("61 0 * * *") is None
    assert translate("not a cron at all") is None


def _expand(text: str, low: int, high: int, names: tuple[str, ...], wild_base: bool) -> set[int]:
    """The values of a list of values, ranges and increments. `wild_base`: AWS's `5/10`, from 5 to the end."""
    found: set[int] = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        numbers = [names.index(end) + low if end in names else int(end) for end in re.findall(r"\w+", base)]
        first, last = (low, high) if base == "*" else (numbers[0], numbers[-1])
        if wild_base and step and len(numbers) == 1:
            last = high
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def _aws_matches(cron: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday, year = cron[len("cron(") : -1].split()
    assert year == "*"
    return (
        moment.minute in _expand(minute, 0, 59, (), True)
        and moment.hour in _expand(hour, 0, 23, (), True)
        and moment.month in _expand(month, 1, 12, MONTHS, True)
        and (day == "?" or moment.day in _expand(day, 1, 31, (), True))
        and (weekday == "?" or moment.isoweekday() % 7 + 1 in _expand(weekday, 1, 7, DAYS, True))
    )


def _unix_matches(text: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday = text.split()
    by_day = moment.day in _expand(day, 1, 31, (), False)
    by_weekday = bool({moment.isoweekday() % 7, moment.isoweekday() % 7 or 7} & _expand(weekday, 0, 7, (), False))
    either = day != "*" and weekday != "*" and not (day.startswith("*") or weekday.startswith("*"))
    return (
        moment.minute in _expand(minute, 0, 59, (), False)
        and moment.hour in _expand(hour, 0, 23, (), False)
        and moment.month in _expand(month, 1, 12, (), False)
        and ((by_day or by_weekday) if either else (by_day and by_weekday))
    )
