"""Which worker runs which invocation."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from skykite.model.names import FunctionId
from skykite.runtime.pool import (
    GROW_AFTER,
    LAST_IDLE,
    STUCK_AFTER,
    SURPLUS_IDLE,
    Decision,
    Dispatch,
    Launch,
    Pool,
    Retire,
    TicketId,
    WorkerId,
)

A, B = FunctionId("A"), FunctionId("B")


def ticket(number: int) -> TicketId:
    return TicketId(number)


def worker(number: int) -> WorkerId:
    return WorkerId(number)


def launch(number: int, function: FunctionId = A) -> Launch:
    return Launch(worker=worker(number), function=function)


def dispatch(number: int, to: int) -> Dispatch:
    return Dispatch(worker=worker(to), ticket=ticket(number))


def retire(number: int) -> Retire:
    return Retire(worker=worker(number))


def warm_pool(max_workers: int = 4, processors: int = 2) -> Pool:
    """A pool with worker 1 idle for A."""
    pool = Pool(max_workers, processors)
    assert pool.arrive(ticket(100), A, 0.0) == [launch(1)]
    assert pool.ready(worker(1), 0.0) == [dispatch(100, to=1)]
    assert pool.finished(worker(1), 0.0) == []
    return pool


def test_first_invocation_of_a_function_launches_a_worker_at_once() -> None:
    pool = Pool(2, 2)
    assert pool.arrive(ticket(1), A, 0.0) == [launch(1)]
    assert pool.ready(worker(1), 0.1) == [dispatch(1, to=1)]


def test_idle_worker_takes_the_next_invocation() -> None:
    assert warm_pool().arrive(ticket(1), A, 1.0) == [dispatch(1, to=1)]


def test_short_wait_for_a_busy_worker_does_not_launch_another() -> None:
    pool = warm_pool()
    pool.arrive(ticket(1), A, 1.0)
    assert pool.arrive(ticket(2), A, 1.001) == []
    assert pool.finished(worker(1), 1.002) == [dispatch(2, to=1)]


def test_long_wait_launches_another_worker() -> None:
    pool = warm_pool()
    pool.arrive(ticket(1), A, 1.0)
    pool.arrive(ticket(2), A, 1.001)
    assert pool.next_wake() == 1.001 + GROW_AFTER
    assert pool.wake(1.001 + GROW_AFTER) == [launch(2)]
    assert pool.wake(9.0) == []


def test_quick_invocations_get_no_more_workers_than_there_are_processors() -> None:
    pool = warm_pool(max_workers=8, processors=1)
    pool.arrive(ticket(1), A, 1.0)
    for number in range(2, 6):
        pool.arrive(ticket(number), A, 1.0)
    now = 1.0
    for number in range(2, 6):
        now += GROW_AFTER * 0.9
        assert pool.finished(worker(1), now) == [dispatch(number, to=1)]


def test_slow_invocations_get_a_worker_each() -> None:
    pool = warm_pool(max_workers=8, processors=1)
    for number in range(1, 4):
        pool.arrive(ticket(number), A, 1.0)
    assert pool.wake(1.0 + GROW_AFTER) == [launch(2)]
    assert pool.ready(worker(2), 1.02) == [dispatch(2, to=2)]
    assert pool.wake(1.02 + GROW_AFTER) == [launch(3)]


def test_longest_waiting_function_gets_the_place_of_the_longest_idle_worker() -> None:
    pool = warm_pool(max_workers=1)
    pool.arrive(ticket(1), A, 1.0)
    assert pool.arrive(ticket(2), B, 1.0) == []
    assert pool.arrive(ticket(3), A, 1.0) == []
    assert pool.finished(worker(1), 1.1) == [retire(1), launch(2, B)]
    assert pool.ready(worker(2), 1.2) == [dispatch(2, to=2)]
    assert pool.finished(worker(2), 1.3) == [retire(2), launch(3)]


def test_a_function_that_busy_workers_may_wait_for_gets_a_worker_though_there_is_no_room() -> None:
    pool = Pool(1, 2)
    assert pool.arrive(ticket(1), A, 0.0) == [launch(1)]
    assert pool.ready(worker(1), 0.0) == [dispatch(1, to=1)]
    assert pool.arrive(ticket(2), B, 1.0) == []  # A's may end in a moment
    assert pool.next_wake() == 1.0 + STUCK_AFTER
    assert pool.wake(1.0 + STUCK_AFTER) == [launch(2, B)]
    assert pool.arrive(ticket(3), B, 2.0) == []
    assert pool.arrive(ticket(4), A, 2.0) == []
    assert pool.wake(60.0) == []  # one for each function, and no more
    assert pool.ready(worker(2), 60.0) == [dispatch(2, to=2)]
    assert pool.finished(worker(2), 60.0) == [dispatch(3, to=2)]
    assert pool.finished(worker(2), 61.0) == [retire(2)]  # it is one too many
    assert pool.finished(worker(1), 61.0) == [dispatch(4, to=1)]


def test_stale_worker_is_replaced_and_its_invocation_goes_first() -> None:
    pool = warm_pool()
    assert pool.arrive(ticket(1), A, 1.0) == [dispatch(1, to=1)]
    pool.arrive(ticket(2), A, 1.001)
    assert pool.stale(worker(1), 1.002) == [retire(1), launch(2)]
    assert pool.ready(worker(2), 1.1) == [dispatch(1, to=2), launch(3)]


def test_changed_configuration_lets_running_invocations_finish() -> None:
    pool = warm_pool()
    pool.arrive(ticket(1), A, 1.0)
    assert pool.outdate(A, 1.1) == []
    assert pool.arrive(ticket(2), A, 1.2) == []
    assert pool.finished(worker(1), 1.3) == [retire(1), launch(2)]


def test_idle_workers_end_the_last_one_much_later() -> None:
    pool = warm_pool()
    pool.arrive(ticket(1), A, 1.0)
    pool.arrive(ticket(2), A, 1.0)
    pool.wake(1.0 + GROW_AFTER)
    pool.ready(worker(2), 2.0)
    pool.finished(worker(1), 2.0)
    pool.finished(worker(2), 3.0)
    assert pool.next_wake() == 2.0 + SURPLUS_IDLE
    assert pool.wake(2.0 + SURPLUS_IDLE) == [retire(1)]
    assert pool.next_wake() == 3.0 + LAST_IDLE
    assert pool.wake(3.0 + LAST_IDLE) == [retire(2)]
    assert pool.next_wake() is None


class PoolMachine(RuleBasedStateMachine):
    """Whatever happens: no worker has two invocations, none is lost, all are answered in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(3, 2)
        self.now = 0.0
        self.starting: dict[WorkerId, FunctionId] = {}
        self.idle: dict[WorkerId, FunctionId] = {}
        self.busy: dict[WorkerId, tuple[FunctionId, TicketId]] = {}
        self.waiting: dict[TicketId, FunctionId] = {}
        self.last = 0

    def do(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Launch(worker=name, function=function):
                    assert name not in self.starting | self.idle
                    self.starting[name] = function
                case Dispatch(worker=name, ticket=number):
                    function = self.idle.pop(name)
                    assert self.waiting.pop(number) == function
                    older = [n for n, wanted in self.waiting.items() if wanted == function and n < number]
                    assert not older, "somebody jumped the queue"
                    self.busy[name] = (function, number)
                case Retire(worker=name):
                    assert name not in self.busy
                    assert (self.starting.pop(name, None) or self.idle.pop(name, None)) is not None

    @rule(function=st.sampled_from([A, B, FunctionId("C"), FunctionId("D")]))
    def arrive(self, function: FunctionId) -> None:
        self.last += 1
        self.waiting[ticket(self.last)] = function
        self.do(self.pool.arrive(ticket(self.last), function, self.now))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), fails=st.booleans())
    def started(self, data: st.DataObject, fails: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.starting)))
        function = self.starting.pop(name)
        if fails:
            self.do(self.pool.gone(name, self.now))
        else:
            self.idle[name] = function
            self.do(self.pool.ready(name, self.now))

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), end=st.sampled_from(["finished", "gone", "stale"]))
    def ended(self, data: st.DataObject, end: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.busy)))
        function, number = self.busy.pop(name)
        if end == "gone":
            self.do(self.pool.gone(name, self.now))
        elif end == "finished":
            self.idle[name] = function
            self.do(self.pool.finished(name, self.now))
        else:
            self.idle[name] = function
            self.waiting = {number: function, **self.waiting}
            self.do(self.pool.stale(name, self.now))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def caller_goes_away(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.pool.abandon(number)
        del self.waiting[number]

    @rule(function=st.sampled_from([A, B]))
    def reconfigured(self, function: FunctionId) -> None:
        if not self.busy:
            self.do(self.pool.outdate(function, self.now))

    @rule(seconds=st.sampled_from([0.001, GROW_AFTER, STUCK_AFTER, SURPLUS_IDLE, LAST_IDLE]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.pool.wake(self.now))

    @invariant()
    def no_more_workers_than_allowed_but_for_one_of_each_function(self) -> None:
        workers = [*self.starting.values(), *self.idle.values(), *(function for function, _ in self.busy.values())]
        assert len(workers) <= 3 + len(set(workers)) - 1

    def teardown(self) -> None:
        for _ in range(10 * (len(self.waiting) + 5)):
            if not self.waiting:
                break
            for name in sorted(self.starting):
                if name in self.starting:
                    self.idle[name] = self.starting.pop(name)
                    self.do(self.pool.ready(name, self.now))
            for name in sorted(self.busy):
                if name in self.busy:
                    self.idle[name] = self.busy.pop(name)[0]
                    self.do(self.pool.finished(name, self.now))
            self.now += 1
            self.do(self.pool.wake(self.now))
        assert not self.waiting, "an invocation was forgotten"


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
