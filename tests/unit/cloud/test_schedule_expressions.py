"""Schedule expressions are read as AWS reads them, and due when they are there."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_cloud.triggers.expressions import Cron, ExpressionError, parse_expression

BERLIN = ZoneInfo("Europe/Berlin")


def times(text: str, start: str, count: int, zone: ZoneInfo | None = None) -> list[str]:
    """The next local times, as `2026-01-31 08:00`."""
    where = zone or UTC
    expression = parse_expression(text, one_time=True)
    moment = anchor = datetime.fromisoformat(start).replace(tzinfo=where).timestamp()
    found = []
    for _ in range(count):
        due = expression.next_after(moment, where, anchor)
        if due is None:
            break
        moment = due
        found.append(datetime.fromtimestamp(due, where).strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "start", "due"),
    [
        ("rate(5 minutes)", "2026-01-01 00:00", ["2026-01-01 00:05", "2026-01-01 00:10"]),
        ("rate(1 day)", "2026-01-01 12:30", ["2026-01-02 12:30"]),
        ("cron(15 10 * * ? *)", "2026-01-01 10:15", ["2026-01-02 10:15", "2026-01-03 10:15"]),
        ("cron(0/20 8-9 ? * MON-FRI *)", "2026-01-02 09:20", ["2026-01-02 09:40", "2026-01-05 08:00"]),
        ("cron(0 0 L * ? *)", "2026-02-01 00:00", ["2026-02-28 00:00", "2026-03-31 00:00"]),
        ("cron(0 0 LW * ? *)", "2026-02-01 00:00", ["2026-02-27 00:00"]),
        ("cron(0 0 1W * ? *)", "2026-08-01 00:00", ["2026-08-03 00:00"]),
        ("cron(0 0 15W * ? *)", "2026-02-01 00:00", ["2026-02-16 00:00"]),
        ("cron(0 0 ? * 2#1 *)", "2026-01-01 00:00", ["2026-01-05 00:00", "2026-02-02 00:00"]),
        ("cron(0 0 ? * 6L *)", "2026-01-01 00:00", ["2026-01-30 00:00"]),
        ("cron(0 0 ? * L *)", "2026-01-01 00:00", ["2026-01-03 00:00"]),
        ("cron(0 0 29 FEB ? *)", "2026-01-01 00:00", ["2028-02-29 00:00"]),
        ("cron(0 12 1,15 JAN,JUN ? 2027)", "2026-01-01 00:00", ["2027-01-01 12:00", "2027-01-15 12:00"]),
        ("cron(0 0 30 2 ? *)", "2026-01-01 00:00", []),
        ("cron(0 0 1 1 ? 2025)", "2026-01-01 00:00", []),
        ("at(2026-05-01T10:00:00)", "2026-01-01 00:00", ["2026-05-01 10:00"]),
    ],
)
def test_a_schedule_is_due_when_aws_would_run_it(text: str, start: str, due: list[str]) -> None:
    assert times(text, start, len(due) or 1) == due


def test_a_timezone_with_summer_time_leaves_out_what_does_not_exist_and_runs_once_what_comes_twice() -> None:
    daily = "cron(30 2 * * ? *)"
    assert times(daily, "2026-03-28 12:00", 2, BERLIN) == ["2026-03-30 02:30", "2026-03-31 02:30"]
    assert times(daily, "2026-10-24 12:00", 2, BERLIN) == ["2026-10-25 02:30", "2026-10-26 02:30"]
    noon = parse_expression("cron(0 12 * * ? *)")
    due = noon.next_after(datetime(2026, 7, 1, tzinfo=UTC).timestamp(), BERLIN, 0.0)
    assert due == datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rate(0 minutes)", "greater than 0"),
        ("rate(1 minutes)", "takes the unit `minute`"),
        ("rate(5 minute)", "takes the unit `minutes`"),
        ("rate(5 seconds)", "not of the form"),
        ("cron(0 12 * * *)", "6 fields; this one has 5"),
        ("cron(0 12 * * * *)", "must be `?`"),
        ("cron(0 12 ? * ? *)", "must be `?`"),
        ("cron(60 12 * * ? *)", "`60` is no value of the field minutes, which goes from 0 to 59"),
        ("cron(0 12 * 13 ? *)", "`13` is no value of the field month"),
        ("cron(0 12 ? * MONDAY *)", "`MONDAY` is no value of the field day-of-week"),
        ("cron(0 12 ? * 2#6 *)", "`6` is no value"),
        ("cron(0 9-8 * * ? *)", "ends before it begins"),
        ("every day", "not of the form"),
    ],
)
def test_an_expression_that_aws_refuses_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why.replace("?", r"\?")):
        parse_expression(text)


def test_a_rule_cannot_be_due_once() -> None:
    with pytest.raises(ExpressionError, match="not of the form"):
        parse_expression("at(2030-01-01T00:00:00)")


@given(
    st.integers(0, 59), st.integers(0, 23), st.sampled_from(["*", "1", "L", "15W", "31"]), st.integers(0, 2_000_000_000)
)
def test_the_next_time_is_later_and_is_one_that_the_fields_name(minute: int, hour: int, day: str, moment: int) -> None:
    expression = parse_expression(f"cron({minute} {hour} {day} * ? *)")
    assert isinstance(expression, Cron)
    due = expression.next_after(float(moment), UTC, 0.0)
    assert due is not None
    assert due > moment
    local = datetime.fromtimestamp(due, UTC)
    assert (local.minute, local.hour, local.second) == (minute, hour, 0)
    assert expression.next_after(due - 1, UTC, 0.0) == due
