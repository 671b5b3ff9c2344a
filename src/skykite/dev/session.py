"""`kite dev --local`: one session on one stage, from nothing to stopped.

Goes in: a project, a stage, what the command line said. Comes out: events, and a system that answers on loopback
until `stop`. I/O: starts the embedded cloud, the runtime's workers and the gateway; reads and writes under `.kite/`.

Start-up overlaps whatever does not depend on each other: synth, the embedded cloud, the AWS client library. After
that three loops run: one reacts to saved files, one re-applies infrastructure, one keeps the embedded cloud alive.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.cloud import CloudAddress, EmbeddedCloud, HandoffServer, translate_urls
from skykite.dev.configure import (
    bundled_sources,
    configure_functions,
    deployed_part,
    find_interpreter,
    live_functions,
    resource_names,
)
from skykite.dev.decide import Interests, decide, relative
from skykite.dev.freshness import FreshnessGate, FrontGate, GatedInvoker, Mark, PolitelyAsking
from skykite.dev.interpreter import ask_version, version_notices
from skykite.dev.invokers import LambdaInvoker, SplitInvoker
from skykite.dev.lock import hold_stage
from skykite.dev.ports import Ports
from skykite.dev.unserved import unserved_notices
from skykite.dev.watch import watch
from skykite.errors import SkykiteError
from skykite.gateway import Gateway, ServedApi, check_port
from skykite.model.events import (
    DevReady,
    DevStarted,
    DevStopped,
    Endpoint,
    ErrorRaised,
    Notice,
    ReloadFailed,
    ReloadFinished,
    ReloadStarted,
)
from skykite.model.names import FunctionId, StackName, StageName
from skykite.model.project import Project
from skykite.model.synthesis import Synthesis
from skykite.ports import Asker, Clock, EventSink, Ids
from skykite.runtime import DebuggerEndpoint, Runtime
from skykite.synth import SynthError, SynthResult, synthesize, validate

if TYPE_CHECKING:
    from skykite.aws import AwsSession, FunctionState
    from skykite.deploy import Build, Deployed

_NEVER: Mark = (-1, -1, -1, -1)  # equal to no file's mark: the next look finds the file changed
_CLOUD_MUST_LIVE_S = 10.0  # an embedded cloud that dies sooner is not started again


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """What the command line says. `port` is where the first API listens, the others follow; 0 means any free one.
    `build` makes the zips of functions that run as deployed."""

    project: Project
    stage: StageName
    load_project: Callable[[], Project]
    load_environment: Callable[[], tuple[Mapping[str, str], tuple[Path, ...]]]
    build: Build
    port: int | None = None
    debugger: DebuggerEndpoint | None = None
    max_workers: int = 32


def _import_ahead() -> None:
    """What is needed when the cloud is up and the stacks are read, imported while both are under way."""
    for module in ("skykite.deploy", "botocore.session"):
        importlib.import_module(module)


class DevSession:
    """One run of `kite dev --local`. Use `run`, once."""

    def __init__(self, *, options: DevOptions, clock: Clock, ids: Ids, events: EventSink, asker: Asker) -> None:
        self._options = options
        self._clock = clock
        self._ids = ids
        self._events = events
        self._project = options.project
        self._root = options.project.root
        self._state = options.project.state
        self._stage = options.stage
        self._stale = asyncio.Event()
        self._watch_moved = asyncio.Event()
        self._gate = FreshnessGate(self._stale.set)
        self._asker = PolitelyAsking(self._gate, asker)
        self._ports = Ports(options.port)
        self._applied = False  # whether the newest assembly is what runs
        self._environment: Mapping[str, str] = {}
        self._environment_files: tuple[Path, ...] = ()
        self._infrastructure: frozenset[Path] = frozenset()
        self._address: CloudAddress | None = None
        self._ready_once = asyncio.Event()
        self._noticed: frozenset[Notice] = frozenset()
        self._aws: AwsSession | None = None
        self._interpreter = find_interpreter(self._root, os.environ)
        self._python_version: str | None = None
        self._runtime = Runtime(
            interpreter=self._interpreter,
            events=events,
            clock=clock,
            debugger=options.debugger,
            max_workers=options.max_workers,
            modules_cache=self._state / self._stage / "modules.json",
            on_watched=self._watch_moved.set,
        )
        self._split = SplitInvoker(self._runtime)
        self._handoff = HandoffServer(invoker=GatedInvoker(self._gate, self._split), ids=ids)
        self._cloud = EmbeddedCloud(
            directory=self._state / "local",
            region=self._project.region,
            handoff=self._handoff,
            events=events,
            clock=clock,
            ids=ids,
        )
        self._gateway = Gateway(
            invoker=self._split,
            events=events,
            clock=clock,
            ids=ids,
            integration_timeouts=options.debugger is None,
            admission=FrontGate(self._gate),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Start, answer until `stop` is set, and take everything down again. Raises SkykiteError if it cannot start."""
        started = self._clock.monotonic()
        with hold_stage(self._state / self._stage, self._stage, now=self._clock.now()):
            if self._options.port:  # before anything is made that would only be in vain
                await check_port(self._options.port)
            self._events.emit(DevStarted(app=self._project.name, stage=self._stage, mode="local", pid=os.getpid()))
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
                tasks.create_task(self._keep_cloud_alive())
        except BaseExceptionGroup as group:
            raise _first(group) from group

    async def _start(self, started: float) -> None:
        self._environment, self._environment_files = self._options.load_environment()
        marks = self._gate.take_marks(self._own_inputs())
        began_ns = time.time_ns()
        async with asyncio.TaskGroup() as tasks:
            synthesis = tasks.create_task(self._synthesize())
            tasks.create_task(self._start_cloud())
            tasks.create_task(self._runtime.start())
            version = tasks.create_task(ask_version(self._interpreter))
            tasks.create_task(asyncio.to_thread(_import_ahead))
        self._python_version = version.result()
        result = synthesis.result()
        await self._apply(result, started)
        self._settle(self._inputs_of(result), marks, began_ns)
        if self._gate.stale():  # saved before anybody watched
            self._stale.set()
        self._ready_once.set()

    async def wait_ready(self) -> CloudAddress:
        """Return once invocations are taken, with the address of the embedded cloud. Run beside `run`."""
        await self._ready_once.wait()
        assert self._address is not None
        return self._address

    async def _start_cloud(self) -> None:
        await self._handoff.start()
        self._address = address = await self._cloud.start()
        from skykite.aws import AwsSession

        self._aws = AwsSession(
            region=address.region,
            endpoint_url=address.url,
            access_key_id=address.access_key_id,
            secret_access_key=address.secret_access_key,
        )
        await self._aws.run(self._aws.warm)

    async def _synthesize(self) -> SynthResult:
        return await synthesize(
            Synthesis(
                app=self._project.name,
                stage=self._stage,
                region=self._project.region,
                mode="local",
                project_root=str(self._root),
                main=str(self._project.main),
                outdir=str(self._state / self._stage / "assembly"),
            ),
            environment=self._environment,
            events=self._events,
            clock=self._clock,
        )

    async def _apply(self, result: SynthResult, started: float) -> None:
        """Deploy the assembly and point runtime and gateway at what came out."""
        assert self._aws is not None
        from skykite.deploy import Deployer

        deployer = Deployer(
            session=self._aws,
            events=self._events,
            clock=self._clock,
            asker=self._asker,
            project_root=self._root,
            state=self._state,
        )
        self._applied = False
        try:
            deployed = await deployer.deploy(result.manifest, result.assembly, build=self._options.build)
            await self._serve(result, deployed, started)
        except SkykiteError:
            self._background.create_task(self._report_findings(result.assembly))  # may say why
            raise
        self._applied = True
        if not result.skipped:  # only now: half a second of computing that would delay what people wait for
            self._background.create_task(self._report_findings(result.assembly))

    async def _report_findings(self, assembly: Path) -> None:
        """What AWS would refuse although the embedded cloud may take it. Said, and the session goes on."""
        try:
            findings = await validate(assembly)
        except SkykiteError as error:
            findings = (error,)
        for finding in findings:
            self._events.emit(ErrorRaised.of(finding))

    async def _serve(self, result: SynthResult, deployed: Deployed, started: float) -> None:
        assert self._aws is not None
        assert self._address is not None
        manifest, account = deployed_part(result.manifest, deployed.physical), self._address.account
        endpoints = await self._gateway.serve(
            [
                ServedApi(
                    entry=api,
                    api_id=deployed.physical[api.stack][api.logical_id],
                    account=account,
                    port=self._ports.port_of(api.path),
                )
                for api in sorted(manifest.http_apis, key=lambda api: api.path)
            ]
        )
        urls = {
            deployed.physical[api.stack][api.logical_id]: endpoint.url
            for api in manifest.http_apis
            for endpoint in endpoints
            if endpoint.path == api.path
        }
        names = {f.id: deployed.physical[f.stack][f.logical_id] for f in manifest.functions}
        live = live_functions(manifest)
        states = await self._function_states({entry.id: names[entry.id] for entry in live})
        configs = configure_functions(
            manifest,
            states,
            project_root=self._root,
            credentials=_credentials(self._address),
            translate=lambda text: translate_urls(text, urls),
        )
        await self._runtime.configure(configs)
        elsewhere = frozenset(names) - {entry.id for entry in live}
        self._split.divert(elsewhere, LambdaInvoker(self._aws, self._clock, names))
        self._handoff.register(
            {names[entry.id]: entry.id for entry in live}, names=resource_names(manifest, deployed.physical)
        )
        outputs = {
            stack: {key: translate_urls(value, urls) for key, value in values.items()}
            for stack, values in deployed.outputs.items()
        }
        runtimes = [config.runtime for config in configs]
        notices = (*unserved_notices(manifest), *version_notices(self._python_version, runtimes))
        for notice in notices:
            if notice not in self._noticed:
                self._events.emit(notice)
        self._noticed = frozenset(notices)
        self._ready(endpoints, outputs, tuple(entry.id for entry in live), started)

    def _ready(
        self,
        endpoints: tuple[Endpoint, ...],
        outputs: dict[StackName, dict[str, str]],
        functions: tuple[FunctionId, ...],
        started: float,
    ) -> None:
        from skykite.deploy import StageFiles

        StageFiles(self._state, self._stage).write_outputs(outputs)
        self._events.emit(
            DevReady(
                app=self._project.name,
                stage=self._stage,
                endpoints=endpoints,
                outputs=outputs,
                functions=functions,
                elapsed_ms=(self._clock.monotonic() - started) * 1000,
            )
        )

    async def _function_states(self, names: Mapping[FunctionId, str]) -> dict[FunctionId, FunctionState]:
        assert self._aws is not None
        get = self._aws.lambda_.get_configuration
        states = await asyncio.gather(*(self._aws.run(get, name) for name in names.values()))
        return dict(zip(names, states, strict=True))

    # Saved files

    def _own_inputs(self) -> frozenset[Path]:
        return frozenset({self._root / "kite.toml", *self._environment_files}) | self._infrastructure

    def _interests(self) -> Interests:
        return Interests(infrastructure=self._own_inputs(), code=self._runtime.watched())

    def _inputs_of(self, result: SynthResult) -> frozenset[Path]:
        return result.inputs | bundled_sources(result.manifest, self._root)

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
            if decision.infrastructure and self._gate.stale():
                self._stale.set()
            if decision.code or not changed:
                await self._reload_code(decision.code)

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
                self._gate.enter("deploying")
                await self._apply(result, started)
        except (SkykiteError, ExceptionGroup) as raised:
            error = _first(raised) if isinstance(raised, ExceptionGroup) else raised
            if not isinstance(error, SkykiteError):
                raise
            self._events.emit(ErrorRaised.of(error))
            self._events.emit(ReloadFailed(kind="infrastructure", files=files, reason=error.code))
            # What was read then and now: either may be where it is put right.
            self._settle(inputs | (error.inputs if isinstance(error, SynthError) else frozenset()), marks, began_ns)
            return
        self._settle(self._inputs_of(result), marks, began_ns)
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

    # The embedded cloud

    async def _keep_cloud_alive(self) -> None:
        while True:
            born = self._clock.monotonic()
            error = await self._cloud.wait_died()
            if self._clock.monotonic() - born < _CLOUD_MUST_LIVE_S:
                raise error
            self._events.emit(ErrorRaised.of(error))
            before = self._address
            self._address = await self._cloud.start()
            if self._address != before:
                raise error
            self._events.emit(
                Notice(notice="cloud-restarted", message="the embedded cloud runs again, with its last saved state")
            )

    async def _take_down(self) -> None:
        """Stop accepting first, then let the rest go at once."""
        await self._gateway.stop()
        await asyncio.gather(self._runtime.stop(), self._cloud.stop())
        await self._handoff.stop()
        if self._aws is not None:
            self._aws.close()


def _credentials(address: CloudAddress) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": address.url,
        "AWS_ACCESS_KEY_ID": address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_access_key,
        "AWS_REGION": address.region,
        "AWS_DEFAULT_REGION": address.region,
    }


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


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception to show of several that came together: ours before the rest."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, SkykiteError)), leaves[0])
