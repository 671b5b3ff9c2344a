"""`kite dev`: one session on one stage, from nothing to stopped.

Goes in: a project, a stage, what the command line said, and a `Place` to deploy to. Comes out: events, and a system
that answers until `stop`. I/O: starts the place and the runtime's workers; reads and writes under `.kite/`.

Start-up overlaps whatever does not depend on each other: synth, the place, the AWS client library. After that three
loops run: one reacts to saved files, one re-applies infrastructure, one keeps the place alive. If the stacks do not
work at the start, a session that waits for mending goes on to those loops all the same.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

from skykite.dev.configure import bundled_sources, check_selection
from skykite.dev.decide import Interests, decide, relative
from skykite.dev.environments import find_python
from skykite.dev.failures import first_failure
from skykite.dev.freshness import FreshnessGate, Mark, PolitelyAsking
from skykite.dev.interpreter import Interpreter, ask_interpreter, version_notices
from skykite.dev.launchers import make_launchers
from skykite.dev.lock import hold_stage
from skykite.dev.packages import PackageCheck
from skykite.dev.place import DevOptions, Place, Served, Surroundings
from skykite.dev.waiting import mends_with_a_save, waiting
from skykite.dev.watch import watch
from skykite.errors import SkykiteError
from skykite.gateway import check_port
from skykite.model.events import (
    DevReady,
    DevStarted,
    DevStopped,
    ErrorRaised,
    Notice,
    ReloadFailed,
    ReloadFinished,
    ReloadStarted,
)
from skykite.model.project import Project
from skykite.model.synthesis import Synthesis
from skykite.ports import Asker, Clock, EventSink, Ids
from skykite.runtime import Runtime
from skykite.synth import Spare, SynthError, SynthResult, synthesize, validate

_NEVER: Mark = (-1, -1, -1, -1)  # equal to no file's mark: the next look finds the file changed


def _import_ahead() -> None:
    """What is needed when the place is there and the stacks are read, imported while both are under way."""
    for module in ("skykite.deploy", "botocore.session"):
        importlib.import_module(module)


class DevSession:
    """One run of `kite dev`. Use `run`, once. `make_place` is told what the session has to give."""

    def __init__(
        self,
        *,
        options: DevOptions,
        make_place: Callable[[Surroundings], Place],
        clock: Clock,
        ids: Ids,
        events: EventSink,
        asker: Asker,
    ) -> None:
        self._options = options
        self._clock = clock
        self._events = events
        self._project = options.project
        self._root = options.project.root
        self._state = options.project.state
        self._stage = options.stage
        self._stale = asyncio.Event()
        self._watch_moved = asyncio.Event()
        self._gate = FreshnessGate(self._stale.set)
        self._applied = False  # whether the newest assembly is what runs
        self._environment: Mapping[str, str] = {}
        self._environment_files: tuple[Path, ...] = ()
        self._infrastructure: frozenset[Path] = frozenset()
        self._ready_once = asyncio.Event()
        self._noticed: frozenset[Notice] = frozenset()
        self._python = find_python(self._root, os.environ, options.python)
        self._interpreter: Interpreter | None = None
        self._runtimes: tuple[str, ...] = ()
        self._told_of_place: tuple[Notice, ...] = ()
        self._packages = PackageCheck(
            project_root=self._root,
            found=self._python,
            given=options.python,
            environment=os.environ,
            events=events,
            on_interpreter=self._interpreter_changed,
        )
        self._spare = Spare(self._state / self._stage / "assembly.memory")
        self._runtime = Runtime(
            interpreter=self._python.python,
            events=events,
            clock=clock,
            debugger=options.debugger,
            max_workers=options.max_workers,
            modules_cache=self._state / self._stage / "modules.json",
            launchers=make_launchers(
                options.builds, inspect=options.inspect, editor=options.editor, clock=clock, events=events
            ),
            on_watched=self._watch_moved.set,
            on_observed=self._packages.observed,
            explain=self._packages.explain,
        )
        self._place = make_place(
            Surroundings(
                options=options,
                clock=clock,
                ids=ids,
                events=events,
                asker=PolitelyAsking(self._gate, asker),
                runtime=self._runtime,
                gate=self._gate,
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Start, answer until `stop` is set, and take everything down again. Raises SkykiteError if it cannot start."""
        started = self._clock.monotonic()
        with hold_stage(self._state / self._stage, self._stage, now=self._clock.now()):
            if self._options.port:  # before anything is made that would only be in vain
                await check_port(self._options.port)
            self._events.emit(
                DevStarted(app=self._project.name, stage=self._stage, mode=self._place.mode, pid=os.getpid())
            )
            try:
                await _until(stop, self._start_and_serve(started))
            finally:
                stopping = self._clock.monotonic()
                await self._take_down()
                self._events.emit(DevStopped(elapsed_ms=(self._clock.monotonic() - stopping) * 1000))

    async def _start_and_serve(self, started: float) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._background = tasks
                await self._start(started)
                tasks.create_task(self._watch())
                tasks.create_task(self._reload_when_stale())
                tasks.create_task(self._place.keep())
                tasks.create_task(self._packages.run())
        except BaseExceptionGroup as group:
            raise first_failure(group) from group

    async def _start(self, started: float) -> None:
        self._environment, self._environment_files = self._options.load_environment()
        marks = self._gate.take_marks(self._own_inputs())
        began_ns = time.time_ns()
        async with asyncio.TaskGroup() as tasks:
            synthesis = tasks.create_task(self._first_synthesis())
            tasks.create_task(self._place.start())
            tasks.create_task(self._runtime.start())
            asked = tasks.create_task(ask_interpreter(self._python.python))
            tasks.create_task(asyncio.to_thread(_import_ahead))
        self._interpreter = asked.result()
        self._packages.learn(self._interpreter)
        result = synthesis.result()
        if isinstance(result, SynthError):
            inputs, mending = result.inputs, True
        else:
            inputs, mending = self._inputs_of(result), not await self._first_apply(result, started)
        self._settle(inputs, marks, began_ns)
        if mending:
            self._events.emit(waiting())
        else:
            self._ready_once.set()
        if self._gate.stale():  # saved before anybody watched
            self._stale.set()

    async def _first_synthesis(self) -> SynthResult | SynthError:
        """The error, which has been told, if the session is to wait until it is mended."""
        try:
            return await self._synthesize()
        except SynthError as error:
            self._tell_if_mendable(error)
            return error

    async def _first_apply(self, result: SynthResult, started: float) -> bool:
        """Whether it went well; if not, it has been told, and the session is to wait."""
        try:
            await self._apply(result, started)
        except SkykiteError as error:
            self._tell_if_mendable(error)
            return False
        return True

    def _tell_if_mendable(self, error: SkykiteError) -> None:
        if not (self._options.wait and mends_with_a_save(error, self._gate.phase)):
            raise error
        self._events.emit(ErrorRaised.of(error))

    async def wait_ready(self) -> None:
        """Return once invocations are taken. Run beside `run`."""
        await self._ready_once.wait()

    async def _synthesize(self) -> SynthResult:
        return await synthesize(
            Synthesis(
                app=self._project.name,
                stage=self._stage,
                region=self._project.region,
                mode=self._place.mode,
                project_root=str(self._root),
                main=str(self._project.main),
                outdir=str(self._state / self._stage / "assembly"),
                functions=self._options.functions,
                live_credentials=self._project.live_credentials,
            ),
            environment=self._environment,
            events=self._events,
            clock=self._clock,
            spare=self._spare,
        )

    async def _apply(self, result: SynthResult, started: float) -> None:
        """Deploy the assembly and have what came out served."""
        self._applied = False
        check_selection(result.manifest, self._options.functions)
        try:
            served = await self._place.apply(result.manifest, result.assembly)
        except SkykiteError:
            self._background.create_task(self._report_findings(result.assembly))  # may say why
            raise
        self._ready(served, started)
        self._packages.expect(result.manifest)
        self._applied = True
        if not result.skipped:  # only now: half a second of computing that would delay what people wait for
            self._background.create_task(self._report_findings(result.assembly))

    async def _report_findings(self, assembly: Path) -> None:
        """What AWS would refuse although the embedded cloud may take it. Said, and the session goes on."""
        try:
            findings = await validate(assembly, project_root=self._root, templates_in=self._place.templates(assembly))
        except SkykiteError as error:
            findings = (error,)
        for finding in findings:
            self._events.emit(ErrorRaised.of(finding))

    def _ready(self, served: Served, started: float) -> None:
        from skykite.deploy import StageFiles

        self._runtimes, self._told_of_place = served.runtimes, tuple(served.notices)
        self._notice()
        files = StageFiles(self._state, self._stage)
        files.write_outputs(served.outputs)
        files.write_urls(served.urls)
        self._events.emit(
            DevReady(
                app=self._project.name,
                stage=self._stage,
                endpoints=served.endpoints,
                outputs=served.outputs,
                functions=served.live,
                elapsed_ms=(self._clock.monotonic() - started) * 1000,
            )
        )

    def _interpreter_changed(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._notice()
        self._watch_moved.set()  # its packages are in other folders

    def _notice(self) -> None:
        """What there is to say of the place and of versions, unless it was said and is still so."""
        now = dict.fromkeys(
            (*self._told_of_place, *version_notices(self._interpreter, self._runtimes, self._python.keeper))
        )
        for notice in now:
            if notice not in self._noticed:
                self._events.emit(notice)
        self._noticed = frozenset(now)

    # Saved files

    def _own_inputs(self) -> frozenset[Path]:
        return frozenset({self._root / "kite.toml", *self._environment_files}) | self._infrastructure

    def _interests(self) -> Interests:
        return Interests(
            infrastructure=self._own_inputs(),
            code=self._runtime.watched(),
            packages=self._packages.files,
            installed=self._packages.folders,
        )

    def _inputs_of(self, result: SynthResult) -> frozenset[Path]:
        made = {self._root / path for path in result.manifest.made}  # else hooks would have the stacks read for ever
        return (result.inputs | bundled_sources(result.manifest, self._root)) - made

    def _settle(self, inputs: frozenset[Path], marks: dict[str, Mark], began_ns: int) -> None:
        """Remember what was read. A file that was saved while the stacks ran counts as changed again; one that was
        moved there keeps the time of its last save, and has a new time of status change."""
        self._infrastructure = inputs
        fresh = self._gate.take_marks(self._own_inputs() - {Path(name) for name in marks})
        for name, found in fresh.items():
            if found is not None and max(found[:2]) >= began_ns:
                fresh[name] = _NEVER
        self._gate.settle(marks | fresh)
        self._watch_moved.set()

    async def _watch(self) -> None:
        async for changed in watch(lambda: self._interests().directories, self._watch_moved):
            decision = decide(changed, self._interests())
            unseen = not changed and self._gate.phase == "settled"  # maybe, while the watching was moved
            if (decision.infrastructure or unseen) and self._gate.stale():
                self._stale.set()
            if decision.packages:
                self._packages.changed()
            if decision.code or not changed:
                await self._reload_code(decision.code)
            if decision.code:  # somebody is at work
                self._background.create_task(self._spare.prepare())

    async def _reload_code(self, files: frozenset[Path]) -> None:
        started = self._clock.monotonic()
        reloaded = await self._runtime.files_changed(files)
        if not reloaded.functions:
            return
        names = relative(reloaded.files, self._root)
        for failure in reloaded.failures:
            self._events.emit(ErrorRaised.of(failure))
        if reloaded.failures:
            self._events.emit(ReloadFailed(kind="code", files=names, reason=reloaded.failures[0].code))
        else:
            self._events.emit(
                ReloadFinished(
                    kind="code",
                    files=names,
                    elapsed_ms=(self._clock.monotonic() - started) * 1000,
                    functions=reloaded.functions,
                )
            )
        self._watch_moved.set()

    async def _reload_when_stale(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            if changed := self._gate.stale():
                await self._reload_infrastructure(changed)
                self._background.create_task(self._spare.prepare())
            else:
                self._gate.settle(self._gate.marks)

    async def _reload_infrastructure(self, changed: tuple[Path, ...]) -> None:
        started, began_ns = self._clock.monotonic(), time.time_ns()
        files = relative(changed, self._root)
        self._gate.enter("synthesizing")
        self._events.emit(ReloadStarted(kind="infrastructure", files=files))
        marks = self._gate.take_marks(self._own_inputs())
        inputs = self._infrastructure
        try:
            self._environment, self._environment_files = self._options.load_environment()
            self._refuse_other_app(self._options.load_project())
            result = await self._synthesize()
            inputs |= self._inputs_of(result)
            if not (result.skipped and self._applied):
                await self._apply(result, started)
        except (SkykiteError, ExceptionGroup) as raised:
            error = first_failure(raised) if isinstance(raised, ExceptionGroup) else raised
            if not isinstance(error, SkykiteError):
                raise
            self._events.emit(ErrorRaised.of(error))
            self._events.emit(ReloadFailed(kind="infrastructure", files=files, reason=error.code))
            # What was read then and now: either may be where it is put right.
            self._settle(inputs | (error.inputs if isinstance(error, SynthError) else frozenset()), marks, began_ns)
            return
        self._settle(self._inputs_of(result), marks, began_ns)
        self._ready_once.set()
        self._events.emit(
            ReloadFinished(kind="infrastructure", files=files, elapsed_ms=(self._clock.monotonic() - started) * 1000)
        )

    def _refuse_other_app(self, project: Project) -> None:
        if (project.name, project.region) != (self._project.name, self._project.region):
            raise SkykiteError(
                "restart-needed",
                "`kite.toml` now has another `name` or `region`; the running session keeps the old one",
                hint="stop `kite dev` with Ctrl-C and start it again",
            )
        self._project = project

    async def _take_down(self) -> None:
        """Stop accepting first, then let the rest go at once."""
        self._runtime.stopping()
        await self._place.refuse()
        await asyncio.gather(self._runtime.stop(), self._place.stop(), self._spare.close())


async def _until(stop: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Run `work` until it ends or `stop` is set, whichever is first; raise what it raised."""
    task = asyncio.create_task(work)
    waiter = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
        task.cancel()
        await asyncio.wait({task, waiter})
    if not task.cancelled():
        task.result()
