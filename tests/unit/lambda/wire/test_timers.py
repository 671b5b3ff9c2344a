"""Many deadlines, the next one first."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from skykite_lambda.wire.timers import Key, Timers

KEYS = st.sampled_from([(name,) for name in "abcdef"])
TIMES = st.integers(0, 50).map(float)


class TimersMachine(RuleBasedStateMachine):
    """Against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = Timers()
        self.model: dict[Key, float] = {}

    @rule(key=KEYS, at=TIMES)
    def set(self, key: Key, at: float) -> None:
        self.timers.set(key, at)
        self.model[key] = at

    @rule(key=KEYS, at=TIMES)
    def soonest(self, key: Key, at: float) -> None:
        self.timers.soonest(key, at)
        self.model[key] = min(at, self.model.get(key, at))

    @rule(key=KEYS)
    def cancel(self, key: Key) -> None:
        self.timers.cancel(key)
        self.model.pop(key, None)

    @rule(now=TIMES)
    def due(self, now: float) -> None:
        found = self.timers.due(now)
        assert sorted(found) == sorted(key for key, at in self.model.items() if at <= now)
        times = [self.model.pop(key) for key in found]
        assert times == sorted(times)

    @invariant()
    def next_is_the_earliest(self) -> None:
        assert self.timers.next() == min(self.model.values(), default=None)
        assert len(self.timers) == len(self.model)


TestTimers = TimersMachine.TestCase
TestTimers.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def test_timers_that_are_cancelled_all_the_time_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set((number,), 1e9 + number)
        timers.cancel((number,))
        timers.set(("one",), 1e9 - number)
    assert timers.retained < 200
