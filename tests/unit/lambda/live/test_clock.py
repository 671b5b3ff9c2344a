"""Dates in headers, which decide whether a lease is alive and a signature valid."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_lambda.live.clock import parse_http_date


@given(st.integers(-60_000_000_000, 250_000_000_000))
def test_every_date_is_read_as_the_standard_library_writes_it(seconds: int) -> None:
    assert parse_http_date(formatdate(seconds, usegmt=True)) == seconds


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "now",
        "Fri, 27 Nov 2026 22:16:00",
        "Fri, 27 Nov 2026 22:16:00 CET",
        "Friday, 27-Nov-26 22:16:00 GMT",
        "Fri Nov 27 22:16:00 2026",
        "Fri, 27 Foo 2026 22:16:00 GMT",
        "Fri, 27 Nov 2026 22:16 GMT",
        "Fri, x Nov 2026 22:16:00 GMT",
        "Fri, 27 Nov 2026 22:1²:00 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert parse_http_date(text) is None
