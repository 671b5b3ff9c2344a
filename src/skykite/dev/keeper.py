"""Keeps an embedded cloud whose functions run from the code that is deployed there: `kite cloud start`.

In: a project's `.kite/local`. Out: an address that AWS clients use, HTTP APIs on ports of their own, and functions that
run as deployed; nothing of the project's own files is used. I/O: starts the embedded cloud, the runtime's workers and
the gateway; writes below that folder.

`start` and `stop` once each, on one event loop; `start` again if the cloud has died meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.cloud import (
    CloudAddress,
    CodeStore,
    EmbeddedCloud,
    HandoffServer,
    ensure_function_environment,
    translate_urls,
)
from skykite.dev.deployed import DeployedFunctions
from skykite.dev.deployed_apis import KeptPorts, served_api
from skykite.dev.deployed_executable import DeployedExecutable
from skykite.dev.deployed_node import DeployedNode
from skykite.dev.failures import first_failure
from skykite.dev.invokers import LambdaInvoker
from skykite.dev.launchers import make_launchers
from skykite.dev.reach import session_at
from skykite.dev.reports import CloudReports
from skykite.errors import SkykiteError
from skykite.gateway import Gateway, ServedApi
from skykite.model.events import Endpoint, ErrorRaised
from skykite.model.invocation import Invocation, Outcome
from skykite.ports import Clock, EventSink, Ids, Invoker
from skykite.runtime import Runtime

if TYPE_CHECKING:
    from skykite.aws import AwsSession, HttpApi

MAX_WORKERS: Final = 200  # stubs of Live wait for a developer's machine, idle; as many may do so at once
_CALLS: Final = 256  # requests of the gateway that wait for a function
_FILES: Final = 8192  # each worker and each connection takes a few


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptApi:
    """A deployed HTTP API and where it is served."""

    id: str
    name: str
    url: str


class Keeper:
    """One embedded cloud with a runtime of its own. `directory` is the project's `.kite/local`.

    `invocations` is told what functions do and say; without it, `events` is. `iam` says whether permissions are
    enforced, `reports` hears what happens in the cloud and what it denied.
    """

    def __init__(
        self,
        *,
        directory: Path,
        region: str,
        events: EventSink,
        clock: Clock,
        ids: Ids,
        invocations: EventSink | None = None,
        max_workers: int = MAX_WORKERS,
        iam: bool = True,
        reports: CloudReports | None = None,
    ) -> None:
        self._events = events
        self._clock = clock
        self._told = invocations or events
        self._max_workers = max_workers
        self._address: CloudAddress | None = None
        self._aws: AwsSession | None = None
        self._runtime: Runtime | None = None
        self._host = _bare_host(os.environ)
        self._store = CodeStore(directory / "code")
        self._ports = KeptPorts(directory / "keeper.ports.json")
        self._modules = directory / "keeper.modules.json"
        self._apis: tuple[KeptApi, ...] = ()
        self._complaints: dict[str, str] = {}  # by API, so that each is made once
        self._settled = asyncio.Event()
        self._serving = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._deployed = DeployedFunctions(
            store=self._store,
            host=self._host,
            address=lambda: self.address.url,
            translate=lambda text: translate_urls(text, {api.id: api.url for api in self._apis}),
        )
        self._handoff = HandoffServer(ids=ids, deployed=self._deployed)
        heard = reports or CloudReports(events)
        self._cloud = EmbeddedCloud(
            directory=directory,
            region=region,
            handoff=self._handoff,
            events=events,
            clock=clock,
            ids=ids,
            iam=iam,
            on_settled=self._settled.set,
            on_denied=heard.denied,
            on_notice=heard.noticed,
        )
        self._behind = _BehindApis()
        self._gateway = Gateway(invoker=self._behind, events=self._told, clock=clock, ids=ids)

    @property
    def address(self) -> CloudAddress:
        """Where the cloud is. Only once it has been started."""
        if self._address is None:
            raise RuntimeError("the embedded cloud is not running")
        return self._address

    @property
    def running(self) -> int:
        """Invocations under way."""
        return self._deployed.running

    async def start(self) -> CloudAddress:
        """Return once the cloud answers and what was deployed before can be called.

        Raises what `EmbeddedCloud.start` and `ensure_function_environment` raise. After it has raised, nothing is
        left running.
        """
        try:
            if self._runtime is None:
                await self._start_all()
            else:
                self._address = await self._cloud.start()
            await self._connect()
        except BaseException as error:
            await self.stop()
            if isinstance(error, BaseExceptionGroup):
                raise first_failure(error) from error
            raise
        return self.address

    async def stop(self) -> None:
        """Stop what was started: the cloud saves, workers end."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
        runtime, self._runtime = self._runtime, None
        ending = [self._gateway.stop(), self._cloud.stop()]
        await asyncio.gather(*ending, *([] if runtime is None else [runtime.stop()]))
        await self._handoff.stop()
        if self._aws is not None:
            self._aws.close()

    async def wait_died(self) -> SkykiteError:
        """Wait until the cloud dies without having been asked to, and say so. `start` brings it back with its data."""
        return await self._cloud.wait_died()

    async def apis(self) -> tuple[KeptApi, ...]:
        """The HTTP APIs that are deployed at this moment, each served."""
        await self._serve()
        return self._apis

    async def function_count(self) -> int:
        """How many functions are deployed."""
        assert self._aws is not None
        return len(await self._aws.run(self._aws.lambda_.names))

    async def _start_all(self) -> None:
        _allow_files(_FILES)
        await self._handoff.start()
        async with asyncio.TaskGroup() as tasks:
            cloud = tasks.create_task(self._cloud.start())
            runtime = tasks.create_task(self._start_runtime())
            tasks.create_task(asyncio.to_thread(importlib.import_module, "botocore.session"))
        self._address = cloud.result()
        await self._store.start()  # now that no other keeper can be using it
        self._deployed.open(runtime.result())

    async def _start_runtime(self) -> Runtime:
        interpreter = await ensure_function_environment(self._events, self._clock)
        self._runtime = runtime = Runtime(
            interpreter=interpreter,
            events=self._told,
            clock=self._clock,
            max_workers=self._max_workers,
            modules_cache=self._modules,
            launchers=make_launchers(
                {"node": DeployedNode(), "executable": DeployedExecutable()},
                inspect=None,
                editor={},
                clock=self._clock,
                events=self._told,
                host=self._host,
            ),
            host=self._host,
        )
        await runtime.start()
        return runtime

    async def _connect(self) -> None:
        if self._aws is not None:  # it knows connections to a cloud that is gone
            self._aws.close()
        address = self.address
        self._aws = session_at(address, threads=_CALLS)
        await self._deployed.forget()
        if self._ports.known:
            await self._serve()
        else:  # there never was an API: no reason to wait until that is certain
            self._settled.set()
        if self._watching is None:
            self._watching = asyncio.create_task(self._serve_what_is_deployed(), name="kept-apis")

    # HTTP APIs

    async def _serve_what_is_deployed(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            try:
                await self._serve()
            except SkykiteError as error:
                self._events.emit(ErrorRaised.of(error))

    async def _serve(self) -> None:
        """Serve the HTTP APIs that are deployed now, and no others."""
        assert self._aws is not None
        async with self._serving:
            deployed = await self._aws.run(self._aws.apigateway.http_apis)
            endpoints = await self._ports.serve(lambda: self._open(self._servable(deployed)))
            urls = {str(endpoint.path): endpoint.url for endpoint in endpoints}
            apis = tuple(KeptApi(id=api.id, name=api.name, url=urls[api.id]) for api in deployed if api.id in urls)
            if apis != self._apis:
                self._apis = apis
                self._ports.keep({api.id: int(api.url.split(":")[2].split("/")[0]) for api in apis})
                await self._deployed.forget()  # they may have been told the URLs of APIs

    async def _open(self, served: Sequence[ServedApi]) -> tuple[Endpoint, ...]:
        assert self._aws is not None
        names = {route.function: str(route.function) for api in served for route in api.entry.routes}
        self._behind.invoker = LambdaInvoker(self._aws, self._clock, names)
        return await self._gateway.serve(served)

    def _servable(self, deployed: Iterable[HttpApi]) -> list[ServedApi]:
        found: list[ServedApi] = []
        for api in deployed:
            try:
                found.append(served_api(api, account=self.address.account, port=self._ports.port_of(api.id)))
            except SkykiteError as error:
                self._complain(api.id, error)
        return found

    def _complain(self, api: str, error: SkykiteError) -> None:
        if self._complaints.get(api) != error.message:
            self._complaints[api] = error.message
            self._events.emit(ErrorRaised.of(error))


class _BehindApis:
    """The functions behind the gateway. They are asked through Lambda, as on AWS: with its limits and its logs."""

    invoker: Invoker

    async def invoke(self, invocation: Invocation) -> Outcome:
        return await self.invoker.invoke(invocation)


def _bare_host(environment: Mapping[str, str]) -> dict[str, str]:
    """Deployed functions find the programs of the system, and none that some terminal had on its path."""
    if sys.platform == "win32":  # where Windows itself is on the path
        return dict(environment)
    return {**environment, "PATH": os.defpath}


def _allow_files(wanted: int) -> None:
    """Let this process and its children have that many files open, or as many as they may."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # macOS has a limit of its own besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
