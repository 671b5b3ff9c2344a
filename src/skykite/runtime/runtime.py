"""The Lambda runtime on this machine: an `Invoker` over a pool of worker processes.

`pool` decides, this does: it starts and ends workers, hands them invocations, checks before every dispatch that what
the worker loaded is what is on disk, and turns what comes back into outcomes and events. `launchers` have what workers
are started with, `tasks` the time they have, `functions` what is known of the code.
I/O: processes, sockets and pipes through `launchers` and `worker`; `os.stat` through `freshness`.

Longer than most modules: it is one state, and each method is one thing that happens to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, assert_never

from skykite.errors import SkykiteError
from skykite.model.events import DebuggerAttached, Notice
from skykite.model.invocation import FunctionConfig, FunctionKind, Invocation, Outcome
from skykite.model.names import FunctionId
from skykite.ports import Clock, EventSink
from skykite.runtime.calls import Call, Calls, not_found, too_large
from skykite.runtime.crowding import Crowding
from skykite.runtime.debugger import DebuggerEndpoint
from skykite.runtime.freshness import Observed
from skykite.runtime.functions import TRIES, Function
from skykite.runtime.launcher import Launcher, NotPrepared, Prepared
from skykite.runtime.launchers import Launchers
from skykite.runtime.logs import LogText
from skykite.runtime.messages import (
    Answer,
    Hello,
    InitFailed,
    Late,
    Leaving,
    Ready,
    Unintelligible,
    WorkerError,
    invoke_frame,
    parse_error,
    parse_message,
    trace_id_of,
)
from skykite.runtime.outcomes import Ending, Returned, Stopped, exited, raised
from skykite.runtime.pool import Decision, Dispatch, Launch, Pool, Retire, WorkerId
from skykite.runtime.saved import Reloaded, SavedFiles, load_errors
from skykite.runtime.starter import Starter
from skykite.runtime.tasks import Task, Tasks
from skykite.runtime.worker import Worker
from skykite_lambda import frames

INIT_LIMIT: Final = 10.0  # seconds, Lambda's; after that the function's own timeout runs too
ATTACH_LIMIT: Final = 30.0  # seconds a debugger may take besides
SETTLE_STEP: Final = 0.01  # seconds between two looks whether a save is complete
STOP_LIMIT: Final = 0.9  # seconds until workers that were killed must be gone


class Runtime:
    """Use `start` and `stop` once each, on one event loop."""

    def __init__(
        self,
        *,
        interpreter: Path,
        events: EventSink,
        clock: Clock,
        debugger: DebuggerEndpoint | None = None,
        max_workers: int = 32,
        modules_cache: Path | None = None,
        starter: Starter | None = None,
        launchers: Mapping[FunctionKind, Launcher] | None = None,
        on_watched: Callable[[], None] = lambda: None,
        on_observed: Callable[[FunctionConfig, Observed], None] = lambda config, observed: None,
        explain: Callable[[FunctionConfig, WorkerError], str | None] = lambda config, error: None,
        host: Mapping[str, str] = os.environ,
    ) -> None:
        """`launchers` start what is not Python. `on_watched` is told when `watched` may answer something else than
        before, `on_observed` of what workers read and load. `explain` may know a better hint for what a function
        raises. `host` is the environment that functions get what a process cannot do without from."""
        self._events = events
        self._clock = clock
        attach = None if debugger is None else debugger.encode()
        self._init_limit = INIT_LIMIT if debugger is None else INIT_LIMIT + ATTACH_LIMIT
        self._pool = Pool(max_workers, processors=os.cpu_count() or 1)
        self._crowding = Crowding(self._pool, most=max_workers, events=events, clock=clock)
        python = starter or Starter(interpreter, cache=modules_cache, debugger=attach)
        self._launchers = Launchers(
            {**(launchers or {}), "python": python},
            interpreter=interpreter,
            host=host,
            clock=clock,
            debugger=attach,
        )
        self._functions: dict[FunctionId, Function] = {}
        self._saved = SavedFiles(self._launchers.handler_files)
        self._on_watched = on_watched
        self._on_observed = on_observed
        self._explain = explain
        self._workers: dict[WorkerId, Worker] = {}
        self._busy = Tasks(clock)
        self._tasks = self._busy.all
        self._calls = Calls(events=events, clock=clock)
        self._background: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self._stopped = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = math.inf

    # The Invoker

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run the function on the event. Never raises for what the function did."""
        function = self._functions.get(invocation.function)
        if function is None or self._background is None:
            return not_found(invocation)
        refused = too_large(invocation)
        if refused is not None:
            return refused
        call = self._calls.begin(invocation, function.config)
        self._do(self._pool.arrive(call.ticket, invocation.function, call.arrived))
        self._crowding.watch()
        try:
            return await call.outcome
        except asyncio.CancelledError:
            # As in Lambda, a function that runs is not stopped by a caller who hangs up.
            if call.ticket in self._calls and self._pool.abandon(call.ticket):
                gone = exited(None, hint="the caller went away before the function was started")
                self._calls.finish(call, Stopped() if self._stopping else gone)
            raise

    # Life

    async def start(self) -> None:
        """Be ready to invoke."""
        started = asyncio.Event()
        self._running = asyncio.create_task(self._run(started), name="runtime")
        await started.wait()
        await self._launchers.start(self._background_group())

    async def _run(self, started: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            self._background = group
            started.set()
            await self._stopped.wait()

    def _background_group(self) -> asyncio.TaskGroup:
        assert self._background is not None
        return self._background

    def stopping(self) -> None:
        """`stop` comes soon: if callers go away from now on, it is because of that."""
        self._stopping = True

    async def stop(self) -> None:
        """End every worker; what still runs or waits fails as unavailable, or lost if it came over the bridge."""
        if self._running is None:
            return
        self.stopping()
        self._background = None
        self._functions.clear()
        for call in self._calls.all():
            self._pool.abandon(call.ticket)  # or the end of a worker would have another one started for it
            self._calls.finish(call, Stopped())
        workers = list(self._workers.values())
        for worker in workers:
            self._end(worker)
        self._launchers.stop()
        self._crowding.stop()
        if self._wake is not None:
            self._wake.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT):
                await asyncio.gather(*(worker.ended for worker in workers), self._launchers.stopped())
        self._stopped.set()
        await self._running
        self._running = None
        self._launchers.clean()

    async def configure(self, functions: Sequence[FunctionConfig]) -> None:
        """Have exactly these functions. Workers of changed ones end after what they do."""
        wanted = {config.id: config for config in functions}
        changed = [
            name for name, function in self._functions.items() if name not in wanted or wanted[name] != function.config
        ]
        for name, config in wanted.items():
            if name in self._functions:
                self._functions[name].config = config
            else:
                self._functions[name] = Function(config=config)
        now = self._clock.monotonic()
        for name in self._functions.keys() - wanted.keys():
            del self._functions[name]
            self._refuse_waiting(name, now)
        self._saved.expect(wanted.values())
        self._launchers.expect(wanted.values())
        for name in changed:
            self._do(self._pool.outdate(name, now))
        self._on_watched()

    def _refuse_waiting(self, removed: FunctionId, now: float) -> None:
        for ticket in self._pool.waiting_since_before(removed, now):
            self._pool.abandon(ticket)
            self._calls.finish(self._calls[ticket], exited(None, hint="the function was removed", kind="unavailable"))

    # Files

    def watched(self) -> frozenset[Path]:
        """Files whose change concerns a function; some of them need not exist."""
        found = set(self._saved.paths())
        for worker in self._workers.values():
            found |= worker.dependencies.paths()
        for function in self._functions.values():
            if function.failed is not None:
                found |= function.failed.dependencies.paths()
        return frozenset(found)

    async def files_changed(self, paths: Collection[Path]) -> Reloaded:
        """Start fresh workers ahead of the next invocation. Returns what came of it, once they are loaded.

        Each change of a known file is answered once, also if a request noticed it first, or if it is not in `paths`.
        Only a hint: staleness is found by stat before every dispatch, whatever is said here.
        """
        began = self._clock.monotonic()
        changed, known = self._saved.take_changed()
        concerned = known & self._functions.keys()
        unused = {name for name in concerned if not self._functions[name].used}
        affected = {*(concerned - unused), *(self._stale_functions() if paths else ())}
        # Of functions that nobody has called yet, there may be many in one file.
        affected |= {name for name in self._saved.one_per_handler(concerned) if name in unused}
        for _ in range(TRIES):
            for idle in self._stale_idle():
                self._do(self._pool.stale(idle, self._clock.monotonic()))
            wanted = [name for name in affected if self._needs_worker(name, began)]
            for name in wanted:
                self._do(self._pool.warm(name, self._clock.monotonic()))
            await self._busy.loaded(affected)
            if not wanted:  # or a request had one loaded, which runs it now
                break
        tried = {name: function for name in affected if (function := self._functions.get(name)) is not None}
        news = {name: function for name, function in tried.items() if not function.has_answered(changed)}
        failed = {name: function.failed for name, function in news.items() if function.failed is not None}
        for name, failure in failed.items():
            news[name].told = failure
        # Of functions that were not tried, those that were tell as much.
        untried = concerned - affected if news or not tried else frozenset()
        return Reloaded(
            files=changed or frozenset(paths),
            functions=tuple(sorted(news.keys() | untried)),
            failures=load_errors({name: failure.ending for name, failure in failed.items()}),
        )

    def _stale_idle(self) -> list[WorkerId]:
        return [idle for idle in self._pool.idle_workers() if not self._workers[idle].dependencies.is_fresh()]

    def _stale_functions(self) -> set[FunctionId]:
        """Whose next invocation would not be answered as the last one was."""
        found = {self._workers[idle].config.id for idle in self._stale_idle()}
        for name, function in self._functions.items():
            if function.failed is not None and not function.failed.dependencies.is_fresh():
                found.add(name)
        return found

    def _needs_worker(self, name: FunctionId, since: float) -> bool:
        function = self._functions.get(name)
        if function is None or (function.failed is not None and function.failed.stands(since)):
            return False
        return not self._pool.is_warm(name)

    def _observed(self, worker: Worker, observed: Observed) -> None:
        worker.dependencies.add(observed)
        self._on_observed(worker.config, observed)
        if self._saved.add(worker.config.id, observed):
            self._on_watched()

    # Decisions

    def _do(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Dispatch(worker=id, ticket=ticket):
                    self._dispatch(self._workers[id], self._calls[ticket])
                case Launch(worker=id, function=function):
                    self._launch(id, function)
                case Retire(worker=id):
                    self._end(self._workers[id])
                case _:
                    assert_never(decision)
        self._arm()

    def _arm(self) -> None:
        # Computed exactly only while somebody waits: idle workers have time, and this is done for every invocation.
        if self._background is None or (self._wake is not None and not self._pool.waiting):
            return
        wake = self._pool.next_wake()
        if wake is None or wake >= self._wake_at:
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = wake
        delay = max(0.0, wake - self._clock.monotonic())
        self._wake = asyncio.get_running_loop().call_later(delay, self._time_passed)

    def _time_passed(self) -> None:
        self._wake, self._wake_at = None, math.inf
        self._do(self._pool.wake(self._clock.monotonic()))

    def _dispatch(self, worker: Worker, call: Call) -> None:
        now = self._clock.monotonic()
        # A worker started after the invocation arrived is fresh by construction.
        if not (worker.started >= call.arrived and not worker.used) and not worker.dependencies.is_fresh():
            self._do(self._pool.stale(worker.id, now))
            return
        call.config = worker.config
        call.started = now
        if not worker.used:
            call.init_ms = worker.init_ms
        worker.used = True
        for piece in worker.take_early_output():
            self._calls.log(call, piece)
        self._busy.begin(worker, call, call.config.timeout_s, now)
        self._send(worker, call)

    def _send(self, worker: Worker, call: Call) -> None:
        trace_id = trace_id_of(call.invocation, self._clock.now().timestamp())
        worker.send(invoke_frame(call.invocation, call.config.timeout_s, trace_id))

    def _launch(self, id: WorkerId, function: FunctionId) -> None:
        now = self._clock.monotonic()
        if function not in self._functions:  # removed while a worker ran it that has turned out to be stale
            self._refuse_waiting(function, now)
            self._do(self._pool.gone(id, now))
            return
        self._functions[function].used = True
        config = self._functions[function].config
        worker = Worker(id=id, config=config, nonce=secrets.token_hex(8), started=now, listener=self)
        self._workers[id] = worker
        self._busy.begin(worker, None, self._init_limit + config.timeout_s, now)
        self._background_group().create_task(self._start_process(worker))

    async def _start_process(self, worker: Worker) -> None:
        try:
            prepared = await self._prepare(worker)
            if prepared is None:
                return
            launched = await self._launchers.launch(worker, prepared)
        except (SkykiteError, OSError) as error:
            if self._never_started(worker):
                self._fail_waiting(worker, raised(_start_error(error), unavailable=True))
            return
        await worker.attach(launched.process, marks_end=launched.marks_ends)
        worker.send(launched.configuration)

    async def _prepare(self, worker: Worker) -> Prepared | None:
        """What to start, unless nobody wants it any more, or it cannot be made. Raises SkykiteError."""
        task = self._tasks.get(worker.id)
        if task is not None:
            self._busy.suspend(task, worker.started)
        try:
            prepared = await self._launchers.prepare(worker)
        except NotPrepared as refusal:
            if self._never_started(worker) and task is not None:
                self._observed(worker, refusal.observed)
                task.failed = True
                await self._settle_failure(worker, refusal.error)
            return None
        if prepared is None:
            self._never_started(worker)
            return None
        self._observed(worker, prepared.observed)
        if task is not None:
            worker.launched = self._clock.monotonic()
            self._busy.resume(task, worker.launched)
        return prepared

    def _never_started(self, worker: Worker) -> bool:
        """There will be no process. Whether anybody still waits for one."""
        worker.never_started()
        if worker.retired:
            self._workers.pop(worker.id, None)
        return not worker.retired

    def _end(self, worker: Worker) -> None:
        """Kill it; nothing more is expected of it."""
        worker.retired = True
        self._busy.end(worker.id)
        worker.kill()
        if worker.ended.done():
            self._workers.pop(worker.id, None)

    # What workers do

    def frame_received(self, worker: Worker, kind: int, body: bytes) -> None:
        if worker.retired:
            return
        try:
            message = parse_message(kind, body)
            task = self._tasks.get(worker.id)
            match message:
                case Answer() if task is not None and task.call is not None:
                    self._answered(worker, task.call, kind, message)
                case Ready() if task is not None and task.call is None:
                    self._ready(worker, message)
                case InitFailed() if task is not None and task.call is None:
                    self._observed(worker, message.observed)
                    task.failed = True
                    self._background_group().create_task(self._settle_failure(worker, message.error))
                case Late() if task is not None and task.call is not None:
                    self._read_more(worker, task.call, message)
                case Leaving() if task is not None:
                    task.hint = message.hint
                case Hello():
                    self._greeted(worker, message)
                case None:
                    self._held(task, suspended=kind == frames.SUSPENDED)
                case _:
                    raise Unintelligible  # noqa: TRY301  (the same end for all that is not ours)
        except Unintelligible:
            worker.kill()

    def _greeted(self, worker: Worker, hello: Hello) -> None:
        if hello.protocol != frames.PROTOCOL:
            self._events.emit(
                Notice(
                    notice="skykite-changed",
                    message="the installed Skykite changed while this one runs",
                    hint="stop `kite` and start it again",
                )
            )
            worker.kill()
        elif hello.inspector is not None:
            worker.inspectable_at(hello.inspector)

    def _held(self, task: Task | None, *, suspended: bool) -> None:
        if task is not None:
            (self._busy.suspend if suspended else self._busy.resume)(task, self._clock.monotonic())

    def _ready(self, worker: Worker, ready: Ready) -> None:
        now = self._clock.monotonic()
        self._observed(worker, ready.observed)
        worker.add_looked_up()
        self._launchers.learn(worker.config, ready.observed.modules)
        function = self._functions[worker.config.id]
        if not worker.dependencies.is_fresh() and function.tries < TRIES:
            function.tries += 1
            self._do(self._pool.stale(worker.id, now))
            return
        function.has_loaded()
        if ready.debugged and worker.pid is not None:
            self._events.emit(DebuggerAttached(pid=worker.pid, function=worker.config.id))
        worker.init_ms = (now - worker.launched) * 1000
        self._busy.end(worker.id)
        self._do(self._pool.ready(worker.id, now))

    async def _settle_failure(self, worker: Worker, error: WorkerError) -> None:
        """Fail those who wait for this worker, unless it only read a file in the middle of being saved."""
        function = self._functions.get(worker.config.id)
        while (
            not worker.retired
            and function is not None
            and function.may_be_half_saved(worker.dependencies, self._clock.monotonic() - worker.started)
        ):
            if not worker.dependencies.is_fresh():
                function.tries += 1
                self._do(self._pool.stale(worker.id, self._clock.monotonic()))
                return
            await asyncio.sleep(SETTLE_STEP)
        if not worker.retired:
            self._fail_waiting(worker, raised(self._explained(worker.config, error), during_init=True))

    def _fail_waiting(self, worker: Worker, ending: Ending) -> None:
        """Everybody who has waited for the function since before this worker was started gets its failure."""
        function = self._functions.get(worker.config.id)
        if function is not None:
            function.has_failed(worker.dependencies, ending, self._clock.monotonic())
            self._on_watched()
        last = worker.drain_output()
        pieces = [*worker.take_early_output(), *last]
        for ticket in self._pool.waiting_since_before(worker.config.id, worker.started):
            call = self._calls[ticket]
            self._pool.abandon(ticket)
            for piece in pieces:
                self._calls.log(call, piece)
            pieces = []
            self._calls.finish(call, ending)
        self._end(worker)
        self._do(self._pool.gone(worker.id, self._clock.monotonic()))

    def _answered(self, worker: Worker, call: Call, kind: int, answer: Answer) -> None:
        ending: Ending = Returned(payload=answer.payload)
        if kind != frames.RESULT:
            ending = raised(self._explained(worker.config, parse_error(answer.payload)))
        now = self._clock.monotonic()
        for piece in worker.drain_output():  # while the task is there: what comes out now is this call's
            self._calls.log(call, piece)
        self._busy.end(worker.id)
        if answer.observed is not None:
            self._observed(worker, answer.observed)
            self._launchers.learn(worker.config, answer.observed.modules)
        call.memory_mb = -(-answer.memory_kb // 1024) or None
        self._calls.finish(call, ending, now)
        if kind == frames.FATAL:
            self._end(worker)
            self._do(self._pool.gone(worker.id, now))
        else:
            self._do(self._pool.finished(worker.id, now))

    def _explained(self, config: FunctionConfig, error: WorkerError) -> WorkerError:
        hint = self._explain(config, error)
        if hint is not None:
            error.hint = hint
        return error

    def _read_more(self, worker: Worker, call: Call, late: Late) -> None:
        """The worker read files after its last answer, so whether it is fresh was decided knowing too little."""
        self._observed(worker, late.observed)
        if worker.dependencies.is_fresh():
            self._send(worker, call)
        else:
            self._do(self._pool.stale(worker.id, self._clock.monotonic()))

    def output_received(self, worker: Worker, pieces: list[LogText]) -> None:
        task = self._tasks.get(worker.id)
        if task is None or task.call is None:
            worker.keep_output(pieces)
            return
        for piece in pieces:
            self._calls.log(task.call, piece)

    def worker_ended(self, worker: Worker, status: int | None) -> None:
        task = self._tasks.get(worker.id)
        if task is not None and task.call is not None:
            call = task.call
            for piece in worker.drain_output():
                self._calls.log(call, piece)
            self._busy.end(worker.id)
            self._calls.finish(call, task.ended(status, call.config))
        elif task is not None and task.failed:
            return  # `_settle_failure` goes on with it
        elif task is not None:
            self._fail_waiting(worker, task.ended(status, worker.config))
        worker.retired = True
        self._workers.pop(worker.id, None)
        self._do(self._pool.gone(worker.id, self._clock.monotonic()))


def _start_error(error: SkykiteError | OSError) -> WorkerError:
    if isinstance(error, SkykiteError):
        return WorkerError(type=error.code, message=error.message, hint=error.hint)
    return WorkerError(type="worker-not-started", message=f"cannot start a worker process: {error.strerror}")
