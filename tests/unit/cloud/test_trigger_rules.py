"""What the triggers of the embedded cloud decide without doing anything: answers, waits, paths, lanes of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skykite_cloud.triggers import timing
from skykite_cloud.triggers.lanes import Batch, Lane, Limits, lane_of, next_batch, too_old
from skykite_cloud.triggers.responses import failed_items
from skykite_cloud.triggers.streams import start_of

NAMES = st.text(min_size=1, max_size=3)


@given(st.sets(NAMES, min_size=1, max_size=6), st.data())
def test_exactly_the_named_items_failed(items: set[str], data: st.DataObject) -> None:
    failed = data.draw(st.sets(st.sampled_from(sorted(items))))
    answer = {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
    assert failed_items(answer, items) == failed


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(NAMES, x)
    )
)
def test_an_answer_of_any_shape_is_success_or_the_failure_of_given_items(answer: Any) -> None:
    items = ("a", "b")
    for given_answer in (answer, {"batchItemFailures": answer}):
        assert failed_items(given_answer, items) <= set(items)


def test_waits_are_a_sixtieth_and_never_nothing() -> None:
    assert [timing.asynchronous_retry(number) for number in (1, 2)] == [
        timing.Wait(here=1.0, on_aws=60.0), timing.Wait(here=2.0, on_aws=120.0),
    ]  # fmt: skip
    assert timing.asynchronous_retry(1).skipped == 59.0
    assert timing.throttled_retry(1) == timing.Wait(here=0.05, on_aws=1.0)
    assert timing.throttled_retry(1000).on_aws == 300.0
    assert [timing.stream_retry(number).on_aws for number in (1, 2, 3, 4, 5, 100)] == [5, 10, 20, 40, 60, 60]
    assert [timing.in_words(one) for one in (0.5, 1, 60, 90, 120)] == [
        "0.5 seconds", "1 second", "1 minute", "1.5 minutes", "2 minutes",
    ]  # fmt: skip


@dataclass
class Numbers:
    """A stream of numbers: each is its own position, key and time."""

    info_key: str = "Numbers"

    def shards(self) -> Mapping[str, Sequence[Any]]:
        return {}

    def sequence(self, record: Any) -> str:
        return f"{record['n']:09d}"

    def partition(self, record: Any) -> str:
        return str(record["n"])

    def arrival(self, record: Any) -> float:
        return float(record["n"])

    def size(self, record: Any) -> int:
        return int(record.get("size", 1))

    def event_record(self, shard: str, record: Any, role: str) -> Any:
        return record

    def filtered(self, event_record: Any) -> tuple[Any, str | None, str]:
        return event_record, None, ""


SOURCE = Numbers()


def limits(**given_limits: Any) -> Limits:
    return Limits(**{"size": 100, "window_s": 0.0, "tumbling_s": 0.0, "factor": 1, **given_limits})


def numbers(*values: int, **more: Any) -> list[dict[str, Any]]:
    return [{"n": value, **more} for value in values]


def everything(record: Any) -> bool:
    return True


@given(
    st.lists(st.integers(1, 10_000), unique=True, max_size=40),
    st.integers(1, 10),
    st.integers(1, 10),
    st.integers(2, 4),
)
def test_lanes_together_read_every_record_once_and_in_order(
    values: list[int], size: int, factor: int, unwanted: int
) -> None:
    records = numbers(*sorted(values))
    read: list[list[int]] = []
    for index in range(factor):
        lane, got = Lane("s", index, ""), []
        while True:
            batch, due = next_batch(
                SOURCE, lane, records, limits(size=size, factor=factor), 0.0, lambda one: one["n"] % unwanted != 0
            )
            if batch is None:
                assert due is None
                break
            assert len(batch.records) <= size
            got += [one["n"] for one in batch.records]
            lane.checkpoint = batch.upto
        assert got == sorted(got)
        assert all(lane_of(str(one), factor) == index for one in got)
        read.append(got)
    assert sorted(one for got in read for one in got) == [one for one in sorted(values) if one % unwanted]


def test_a_window_waits_from_the_first_record_until_it_is_over_or_the_batch_is_full() -> None:
    lane = Lane("s", 0, "")
    given_limits = limits(size=3, window_s=5.0)
    assert next_batch(SOURCE, lane, numbers(1), given_limits, 10.0, everything) == (None, 15.0)
    assert next_batch(SOURCE, lane, numbers(1, 2), given_limits, 12.0, everything) == (None, 15.0)
    full, _ = next_batch(SOURCE, lane, numbers(1, 2, 3, 4), given_limits, 12.0, everything)
    assert full is not None
    assert [one["n"] for one in full.records] == [1, 2, 3]
    late, _ = next_batch(SOURCE, Lane("s", 0, "", since=10.0), numbers(1), given_limits, 15.0, everything)
    assert late is not None


def test_a_batch_never_is_larger_than_an_event_may_be() -> None:
    large = numbers(1, 2, 3, size=3 * 1024 * 1024)
    batch, _ = next_batch(SOURCE, Lane("s", 0, ""), large, limits(), 0.0, everything)
    assert batch is not None
    assert [one["n"] for one in batch.records] == [1, 2]


def test_a_tumbling_window_takes_only_its_own_records_and_is_closed_when_another_begins() -> None:
    lane = Lane("s", 0, "")
    given_limits = limits(tumbling_s=10.0)
    records = numbers(11, 19, 20)
    first, _ = next_batch(SOURCE, lane, records, given_limits, 19.5, everything)
    assert first is not None
    assert [one["n"] for one in first.records] == [11, 19]
    assert lane.window is not None
    assert (lane.window.start, lane.window.end) == (10.0, 20.0)
    lane.checkpoint = first.upto
    last, _ = next_batch(SOURCE, lane, records, given_limits, 19.6, everything)
    assert last is not None
    assert (last.records, last.final) == ([], True)
    assert next_batch(SOURCE, lane, records[:2], given_limits, 19.6, everything) == (None, 20.0)


def test_a_half_has_used_up_no_retry_and_waits_no_longer_than_the_whole() -> None:
    whole = Batch(numbers(1, 2, 3), "000000007", attempts=2, skipped=5.0)
    first, second = whole.split(SOURCE, 9.0)
    assert ([one["n"] for one in first.records], [one["n"] for one in second.records]) == ([1], [2, 3])
    assert (first.upto, second.upto) == ("000000001", "000000007")
    assert [(one.attempts, one.due, one.skipped) for one in (first, second)] == [(1, 9.0, 5.0)] * 2


def test_an_age_counts_what_aws_would_have_waited() -> None:
    batch = Batch(numbers(100, 150), "", skipped=30.0)
    assert too_old(SOURCE, batch, 60, 120.0) == 0
    assert too_old(SOURCE, batch, 60, 140.0) == 1
    assert too_old(SOURCE, batch, 60, 500.0) == 2


@pytest.mark.parametrize(
    ("position", "timestamp", "checkpoint"),
    [
        ("LATEST", None, "000000003"),
        ("TRIM_HORIZON", None, ""),
        ("AT_TIMESTAMP", 2.0, "000000001"),
        ("AT_TIMESTAMP", 0.0, ""),
    ],
)
def test_a_starting_position_is_the_last_record_that_is_not_read(
    position: str, timestamp: float | None, checkpoint: str
) -> None:
    assert start_of(SOURCE, numbers(1, 2, 3), position, timestamp) == checkpoint
    assert start_of(SOURCE, [], position, timestamp) == ""
