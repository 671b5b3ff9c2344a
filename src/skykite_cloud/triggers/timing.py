"""What takes minutes on AWS and seconds here: the one table of times that are compressed. Pure.

Only waits before a retry are: nobody is served by a developer's minute. They run `SPEED` times as fast; ages, to which
AWS's maximums apply, count the wait that AWS would have made. What a user sets (visibility timeouts, delays, batching
and tumbling windows, schedules) is real time. `docs/concepts/local.md` has the same table.
"""

from __future__ import annotations

from dataclasses import dataclass

SPEED = 60
"""A minute of waiting is a second here."""

ASYNCHRONOUS_RETRIES_S = (60.0, 120.0)
"""Before the second and the third run of an asynchronous event."""
_THROTTLED_FIRST_S, _THROTTLED_MOST_S = 1.0, 300.0
_STREAM_FIRST_S, _STREAM_MOST_S = 5.0, 60.0
HTTP_RETRIES_S = (20.0, 20.0, 20.0)
"""Before each repetition of a topic's delivery over HTTP."""
SHORTEST_WAIT_S = 0.05
ABSENT_WAITS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Before a function is asked for again that nobody runs yet. There is no such wait on AWS."""


@dataclass(frozen=True, slots=True)
class Wait:
    """`here` is how long to wait, `on_aws` how long AWS would."""

    here: float
    on_aws: float

    @property
    def skipped(self) -> float:
        return self.on_aws - self.here


def wait_of(on_aws: float) -> Wait:
    return Wait(here=max(SHORTEST_WAIT_S, on_aws / SPEED), on_aws=on_aws)


def asynchronous_retry(attempts: int) -> Wait:
    """After so many failed attempts, one or two."""
    return wait_of(ASYNCHRONOUS_RETRIES_S[min(attempts, len(ASYNCHRONOUS_RETRIES_S)) - 1])


def throttled_retry(times: int) -> Wait:
    """After an asynchronous event found no free concurrency, so many times in a row."""
    return wait_of(min(_THROTTLED_MOST_S, _THROTTLED_FIRST_S * 2 ** min(times - 1, 16)))


def stream_retry(attempts: int) -> Wait:
    """After so many failed attempts at a batch of a stream."""
    return wait_of(min(_STREAM_MOST_S, _STREAM_FIRST_S * 2 ** min(attempts - 1, 16)))


def absent_retry(times: int) -> float:
    """After nobody ran a function, so many times in a row."""
    return ABSENT_WAITS_S[min(times, len(ABSENT_WAITS_S)) - 1]


def in_words(seconds: float) -> str:
    """`90` is `1.5 minutes`, `0.5` is `0.5 seconds`."""
    number, unit = (seconds / 60, "minute") if seconds >= 60 else (seconds, "second")
    return f"{number:.2g} {unit}{'' if number == 1 else 's'}"
