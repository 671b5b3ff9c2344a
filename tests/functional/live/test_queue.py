"""Whose turn it is, and where payloads wait."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from skykite.live.queue import FairQueue, Waiting
from skykite_lambda.wire import InvocationHead


def waiting(number: int, function: str = "a", size: int = 0) -> Waiting:
    return Waiting(
        id=number.to_bytes(16, "big"),
        head=InvocationHead(function, f"r{number}", "arn"),
        payload=number.to_bytes(4, "big") + bytes(size),
        bridge_ms=0.0,
        came=0.0,
        deadline=900.0,
    )


def order(queue: FairQueue) -> list[str]:
    return [queue.pop().head.request_id for _ in range(len(queue))]


def test_functions_take_turns_and_each_keeps_its_order() -> None:
    queue = FairQueue()
    for number in range(4):
        queue.push(waiting(number, "busy"))
    queue.push(waiting(10, "b"))
    queue.push(waiting(11, "c"))
    queue.push(waiting(12, "b"))
    assert order(queue) == ["r0", "r10", "r11", "r1", "r12", "r2", "r3"]
    assert queue.peek() is None


def test_who_gives_up_leaves_the_line() -> None:
    queue = FairQueue()
    for number in range(3):
        queue.push(waiting(number))
    gone = queue.remove(waiting(1).id)
    assert gone is not None
    assert gone.head.request_id == "r1"
    assert queue.remove(waiting(1).id) is None
    assert order(queue) == ["r0", "r2"]
    assert (queue.size, queue.in_memory) == (0, 0)


def test_large_payloads_beyond_what_memory_may_hold_wait_in_private_files_and_leave_none() -> None:
    queue = FairQueue(in_memory=100_000)
    for number in range(5):
        queue.push(waiting(number, size=60_000))
    queue.push(waiting(5, size=10))  # too small for a file
    assert queue.in_memory <= 100_000 + 14
    assert queue.size == 5 * 60_004 + 14
    assert queue._folder is not None
    folder = Path(queue._folder.name)
    assert folder.stat().st_mode & 0o077 == 0
    assert len(list(folder.iterdir())) == 4
    assert queue.remove(waiting(4).id) is not None
    assert len(list(folder.iterdir())) == 3
    popped = [queue.pop() for _ in range(4)]
    assert [one.payload for one in popped] == [waiting(number, size=60_000).payload for number in range(4)]
    assert list(folder.iterdir()) == []
    queue.close()
    assert not folder.exists()


def test_closing_removes_what_still_waits() -> None:
    queue = FairQueue(in_memory=0)
    queue.push(waiting(1, size=60_000))
    assert queue._folder is not None
    folder = Path(queue._folder.name)
    queue.close()
    assert not folder.exists()
    assert len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_nothing_is_lost_and_no_function_waits_longer_than_a_round(steps: list[tuple[str, bool]]) -> None:
    queue = FairQueue()
    pushed, popped = 0, 0
    since: dict[str, int] = {}  # pops since the function began to wait
    for function, push in steps:
        if push:
            queue.push(waiting(pushed, function))
            pushed += 1
            since.setdefault(function, 0)
        elif len(queue):
            taken = queue.pop()
            popped += 1
            del since[taken.function]
            for other in since:
                since[other] += 1
                assert since[other] <= 3
            if taken.function in {one.function for line in queue._turns.values() for one in line}:
                since[taken.function] = 0
    assert len(queue) == pushed - popped
