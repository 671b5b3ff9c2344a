"""The Lambda runtime on this machine: an `Invoker` over a pool of worker processes.

`pool` decides, this does: it starts and ends workers, hands them invocations, keeps time, checks before every dispatch
that what the worker loaded is what is on disk, and turns what comes back into outcomes and events.
I/O: processes, sockets and pipes through `launch` and `worker`; `os.stat` through `freshness`.

Longer than most modules: it is one state, and each method is one thing that happens to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from skykite.errors import SkykiteError
from skykite.model.events import DebuggerAttached, Notice
from skykite.model.invocation import FunctionConfig, FunctionKind, Invocation, Outcome
from skykite.model.names import FunctionId
from skykite.ports import Clock, EventSink
from skykite.runtime.calls import Call, Calls, not_found, too_large
from skykite.runtime.clock import Allowance
from skykite.runtime.crowding import Crowding
from skykite.runtime.debugger import DebuggerEndpoint
from skykite.runtime.environment import function_environment, process_environment
from skykite.runtime.freshness import Dependencies, Observed
from skykite.runtime.launcher import Launcher, NotPrepared, Prepared
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
    configure_frame,
    invoke_frame,
    parse_error,
    parse_message,
    trace_id_of,
)
from skykite.runtime.outcomes import Ending, Returned, Stopped, exited, raised, timed_out
from skykite.runtime.pool import Decision, Dispatch, Launch, Pool, Retire, WorkerId
from skykite.runtime.reports import exit_hint
from skykite.runtime.saved import Reloaded, SavedFiles, load_errors
from skykite.runtime.starter import Starter
from skykite.runtime.strays import end_strays
from skykite.runtime.worker import Worker
from skykite_lambda import frames

INIT_LIMIT: Final = 10.0  # seconds, Lambda's; after that the function's own timeout runs too
ATTACH_LIMIT: Final = 30.0  # seconds a debugger may take besides
SETTLE: Final = 0.3  # seconds after a save in which a failing import may be half a save; a busy disk takes 0.1
SETTLE_STEP: Final = 0.01
TRIES: Final = 5  # workers in a row that found their files changed while loading them
STOP_LIMIT: Final = 0.9  # seconds until workers that were killed must be gone


@dataclass(slots=True, kw_only=True, eq=False)
class _Task:
    """What a worker is busy with: loading its function, or one call."""

    call: Call | None
    allowance: Allowance
    timer: asyncio.TimerHandle | None = None
    timed_out: bool = False
    hint: str | None = None  # of the worker: which line of the user's ends it
    failed: bool = False  # the function could not be loaded; what to make of it is being found out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Of the last worker of a function, if that could not load it."""

    dependencies: Dependencies
    ending: Ending
    at: float

    def stands(self, since: float) -> bool:
        """Whether the next worker would fail the same way."""
        return (self.at >= since or bool(self.dependencies.paths())) and self.dependencies.is_fresh()


@dataclass(slots=True, kw_only=True, eq=False)
class _Function:
    config: FunctionConfig
    tries: int = 0  # consecutive workers whose files changed while they loaded
    failed: _Failure | None = None
    used: bool = False  # some worker has tried to load it
    loaded: bool = False  # some worker has


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
        self._interpreter = interpreter
        self._events = events
        self._clock = clock
        self._debugger = None if debugger is None else debugger.encode()
        self._init_limit = INIT_LIMIT if debugger is None else INIT_LIMIT + ATTACH_LIMIT
        self._pool = Pool(max_workers, processors=os.cpu_count() or 1)
        self._crowding = Crowding(self._pool, most=max_workers, events=events, clock=clock)
        python = starter or Starter(interpreter, cache=modules_cache, debugger=self._debugger)
        self._launchers: dict[FunctionKind, Launcher] = {**(launchers or {}), "python": python}
        self._functions: dict[FunctionId, _Function] = {}
        self._saved = SavedFiles(self._handler_files)
        self._on_watched = on_watched
        self._on_observed = on_observed
        self._explain = explain
        self._host = host
        self._workers: dict[WorkerId, Worker] = {}
        self._tasks: dict[WorkerId, _Task] = {}  # of workers that load or run
        self._calls = Calls(events=events, clock=clock)
        self._background: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self._stopped = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = math.inf
        self._moved = asyncio.Event()  # some worker became ready or failed
        self._home: Path | None = None
        self._process_environment: dict[str, str] = {}

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
        self._home = Path(tempfile.mkdtemp(prefix="kite-home-"))
        self._process_environment = process_environment(self._host, interpreter=self._interpreter, home=self._home)
        started = asyncio.Event()
        self._running = asyncio.create_task(self._run(started), name="runtime")
        await started.wait()
        for launcher in self._launchers.values():
            await launcher.start(self._process_environment, self._background_group())

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
        for launcher in self._launchers.values():
            launcher.stop()
        self._crowding.stop()
        if self._wake is not None:
            self._wake.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT):
                stopped = (launcher.stopped() for launcher in self._launchers.values())
                await asyncio.gather(*(worker.ended for worker in workers), *stopped)
        self._stopped.set()
        await self._running
        self._running = None
        if self._home is not None:
            end_strays(self._home)
            shutil.rmtree(self._home, ignore_errors=True)

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
                self._functions[name] = _Function(config=config)
        now = self._clock.monotonic()
        for name in self._functions.keys() - wanted.keys():
            del self._functions[name]
            self._refuse_waiting(name, now)
        self._saved.expect(wanted.values())
        for kind, launcher in self._launchers.items():
            launcher.expect([config for config in wanted.values() if config.kind == kind])
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
            while any(self._loads(name) for name in affected):
                self._moved.clear()
                await self._moved.wait()
            if not wanted:  # or a request had one loaded, which runs it now
                break
        failed = {
            name: function.failed.ending
            for name in affected
            if (function := self._functions.get(name)) is not None and function.failed is not None
        }
        return Reloaded(
            files=changed or frozenset(paths),
            functions=tuple(sorted(affected | concerned)),
            failures=load_errors(failed),
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

    def _learn(self, worker: Worker, observed: Observed) -> None:
        if observed.modules:
            self._launcher_of(worker.config).learn(observed.modules)

    def _loads(self, function: FunctionId) -> bool:
        return any(
            task.call is None and self._workers[worker].config.id == function for worker, task in self._tasks.items()
        )

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
        task = self._tasks[worker.id] = _Task(call=call, allowance=Allowance(call.config.timeout_s, now))
        if worker.untimed:
            task.allowance.suspend(now)
        self._arm_timeout(worker, task)
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
        task = self._tasks[id] = _Task(call=None, allowance=Allowance(self._init_limit + config.timeout_s, now))
        self._arm_timeout(worker, task)
        self._background_group().create_task(self._start_process(worker))

    async def _start_process(self, worker: Worker) -> None:
        try:
            launcher = self._launcher_of(worker.config)
            prepared = await self._prepare(worker, launcher)
            if prepared is None:
                return
            environment = function_environment(
                worker.config, self._process_environment, now=self._clock.now(), worker=secrets.token_hex(16)
            )
            process = await launcher.launch(worker.config, environment, prepared)
        except (SkykiteError, OSError) as error:
            if self._never_started(worker):
                self._fail_waiting(worker, raised(_start_error(error), unavailable=True))
            return
        await worker.attach(process, marks_end=launcher.marks_ends)
        worker.send(
            configure_frame(
                worker.config,
                environment,
                nonce=worker.nonce,
                end_mark=launcher.marks_ends,
                debugger=self._debugger,
                more=process.configuration,
            )
        )

    async def _prepare(self, worker: Worker, launcher: Launcher) -> Prepared | None:
        """What to start, unless nobody wants it any more, or it cannot be made. Raises SkykiteError."""
        task = self._tasks.get(worker.id)
        if task is not None:
            task.allowance.suspend(worker.started)
            self._arm_timeout(worker, task)
        worker.preparing = asyncio.current_task()
        try:
            prepared = await launcher.prepare(worker.config)
        except asyncio.CancelledError:
            self._never_started(worker)
            return None
        except NotPrepared as refusal:
            if self._never_started(worker) and task is not None:
                self._observed(worker, refusal.observed)
                task.failed = True
                await self._settle_failure(worker, refusal.error)
            return None
        finally:
            worker.preparing = None
        self._observed(worker, prepared.observed)
        if task is not None:
            worker.launched = self._clock.monotonic()
            task.allowance.resume(worker.launched)
            self._arm_timeout(worker, task)
        return prepared

    def _never_started(self, worker: Worker) -> bool:
        """There will be no process. Whether anybody still waits for one."""
        worker.never_started()
        if worker.retired:
            self._workers.pop(worker.id, None)
        return not worker.retired

    def _launcher_of(self, config: FunctionConfig) -> Launcher:
        launcher = self._launchers.get(config.kind)
        if launcher is None:
            raise SkykiteError(
                "kind-not-local",
                f"`{config.id}` is of the kind `{config.kind}`, which does not run on this machine",
                hint="give it `live=False`: then it runs where it is deployed",
            )
        return launcher

    def _handler_files(self, config: FunctionConfig) -> frozenset[str]:
        launcher = self._launchers.get(config.kind)
        return frozenset() if launcher is None else launcher.handler_files(config)

    def _end(self, worker: Worker) -> None:
        """Kill it; nothing more is expected of it."""
        worker.retired = True
        task = self._tasks.pop(worker.id, None)
        if task is not None and task.timer is not None:
            task.timer.cancel()
        worker.kill()
        if worker.ended.done():
            self._workers.pop(worker.id, None)
        self._moved.set()

    # What workers do

    def frame_received(self, worker: Worker, kind: int, body: bytes) -> None:
        if worker.retired:
            return
        try:
            message = parse_message(kind, body)
            task = self._tasks.get(worker.id)
            match message:
                case Answer() if task is not None and task.call is not None:
                    self._answered(worker, task, task.call, kind, message)
                case Ready() if task is not None and task.call is None:
                    self._ready(worker, task, message)
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
                    self._held(worker, task, suspended=kind == frames.SUSPENDED)
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

    def _held(self, worker: Worker, task: _Task | None, *, suspended: bool) -> None:
        if task is None:
            return
        now = self._clock.monotonic()
        if suspended:
            task.allowance.suspend(now)
        else:
            task.allowance.resume(now)
        self._arm_timeout(worker, task)

    def _ready(self, worker: Worker, task: _Task, ready: Ready) -> None:
        now = self._clock.monotonic()
        self._observed(worker, ready.observed)
        worker.add_looked_up()
        self._learn(worker, ready.observed)
        function = self._functions[worker.config.id]
        if not worker.dependencies.is_fresh() and function.tries < TRIES:
            function.tries += 1
            self._do(self._pool.stale(worker.id, now))
            return
        function.tries = 0
        function.failed = None
        function.loaded = True
        if ready.debugged and worker.pid is not None:
            self._events.emit(DebuggerAttached(pid=worker.pid, function=worker.config.id))
        worker.init_ms = (now - worker.launched) * 1000
        self._done(worker, task)
        self._do(self._pool.ready(worker.id, now))

    def _done(self, worker: Worker, task: _Task) -> None:
        del self._tasks[worker.id]
        if task.timer is not None:
            task.timer.cancel()
        self._moved.set()

    async def _settle_failure(self, worker: Worker, error: WorkerError) -> None:
        """Fail those who wait for this worker, unless it only read a file in the middle of being saved."""
        function = self._functions.get(worker.config.id)
        while (
            not worker.retired
            and function is not None
            and function.tries < TRIES
            and self._may_be_half_saved(worker, function)
        ):
            if not worker.dependencies.is_fresh():
                function.tries += 1
                self._do(self._pool.stale(worker.id, self._clock.monotonic()))
                return
            await asyncio.sleep(SETTLE_STEP)
        if not worker.retired:
            self._fail_waiting(worker, raised(self._explained(worker.config, error), during_init=True))

    def _may_be_half_saved(self, worker: Worker, function: _Function) -> bool:
        """Whether what could not be loaded may be in the middle of being saved.

        Its files' times alone do not tell: while a disk stalls, a file can be cut to nothing already and still have
        the time of its last save. So what has loaded before, and not failed on the same files, has a moment, too.
        """
        if worker.dependencies.changed_since(SETTLE):
            return True
        settled = function.failed is not None and function.failed.dependencies.is_fresh()
        return function.loaded and not settled and self._clock.monotonic() - worker.started < SETTLE

    def _fail_waiting(self, worker: Worker, ending: Ending) -> None:
        """Everybody who has waited for the function since before this worker was started gets its failure."""
        function = self._functions.get(worker.config.id)
        if function is not None:
            function.tries = 0
            function.failed = _Failure(dependencies=worker.dependencies, ending=ending, at=self._clock.monotonic())
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

    def _answered(self, worker: Worker, task: _Task, call: Call, kind: int, answer: Answer) -> None:
        ending: Ending = Returned(payload=answer.payload)
        if kind != frames.RESULT:
            ending = raised(self._explained(worker.config, parse_error(answer.payload)))
        now = self._clock.monotonic()
        for piece in worker.drain_output():  # while the task is there: what comes out now is this call's
            self._calls.log(call, piece)
        self._done(worker, task)
        if answer.observed is not None:
            self._observed(worker, answer.observed)
            self._learn(worker, answer.observed)
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
            self._done(worker, task)
            self._calls.finish(call, _ended(task, status, call.config))
        elif task is not None and task.failed:
            return  # `_settle_failure` goes on with it
        elif task is not None:
            self._fail_waiting(worker, _ended(task, status, worker.config))
        worker.retired = True
        self._workers.pop(worker.id, None)
        self._moved.set()
        self._do(self._pool.gone(worker.id, self._clock.monotonic()))

    # Time

    def _arm_timeout(self, worker: Worker, task: _Task) -> None:
        if task.timer is not None:
            task.timer.cancel()
            task.timer = None
        ends = task.allowance.ends()
        if ends is not None:
            delay = max(0.0, ends - self._clock.monotonic())
            task.timer = asyncio.get_running_loop().call_later(delay, self._check_timeout, worker, task)

    def _check_timeout(self, worker: Worker, task: _Task) -> None:
        if task.allowance.used_up(self._clock.monotonic()):
            task.timed_out = True
            worker.kill()
        else:
            self._arm_timeout(worker, task)


def _ended(task: _Task, status: int | None, config: FunctionConfig) -> Ending:
    """A process has ended in the middle of what it did."""
    if task.timed_out:
        return timed_out(config)
    return exited(status, hint=task.hint or exit_hint(status, config.kind))


def _start_error(error: SkykiteError | OSError) -> WorkerError:
    if isinstance(error, SkykiteError):
        return WorkerError(type=error.code, message=error.message, hint=error.hint)
    return WorkerError(type="worker-not-started", message=f"cannot start a worker process: {error.strerror}")
