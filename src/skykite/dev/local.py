"""`kite dev --local`: the place is the embedded cloud, with our own gateway before it.

In: an assembly. Out: HTTP APIs on loopback. I/O: the embedded cloud's process, CloudFormation and Lambda on it, the
hand-off that brings its invocations to the runtime, the gateway's sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.cloud import CloudAddress, EmbeddedCloud, HandoffServer, translate_urls
from skykite.dev.configure import deployed_part, live_functions, resource_names
from skykite.dev.freshness import FrontGate, GatedInvoker
from skykite.dev.function_files import absent_notices
from skykite.dev.functions import DevFunctions
from skykite.dev.invokers import LambdaInvoker, SplitInvoker, ToldInvoker
from skykite.dev.place import DevMode, Served, Surroundings
from skykite.dev.ports import Ports
from skykite.dev.reach import session_at
from skykite.dev.reports import CloudReports, not_enforced
from skykite.dev.revival import Revival
from skykite.dev.secrets import missing_secrets
from skykite.dev.unserved import unserved_notices
from skykite.dev.whereabouts import whereabouts
from skykite.gateway import Gateway, ServedApi
from skykite.model.events import ErrorRaised, Notice
from skykite.model.manifest import Manifest

if TYPE_CHECKING:
    from skykite.aws import AwsSession, FunctionState
    from skykite.deploy import Deployed


class LocalPlace:
    """A `Place`. The embedded cloud is the session's own: it starts and ends with it."""

    mode: DevMode = "local"

    def __init__(self, surroundings: Surroundings) -> None:
        options = surroundings.options
        self._surroundings = surroundings
        self._ports = Ports(options.port)
        self._address: CloudAddress | None = None
        self._aws: AwsSession | None = None
        self._functions = DevFunctions(
            runtime=surroundings.runtime, project_root=surroundings.project_root, issue=self._issue
        )
        self._reports = CloudReports(surroundings.events)
        self._split = SplitInvoker(self._functions)
        self._handoff = HandoffServer(
            invoker=GatedInvoker(surroundings.gate, self._split), ids=surroundings.ids, find=self._functions.find
        )
        self._cloud = EmbeddedCloud(
            directory=surroundings.state / "local",
            region=options.project.region,
            handoff=self._handoff,
            events=surroundings.events,
            clock=surroundings.clock,
            ids=surroundings.ids,
            iam=options.iam,
            on_denied=self._reports.denied,
            on_notice=self._reports.noticed,
        )
        self._gateway = Gateway(
            invoker=self._split,
            events=surroundings.events,
            clock=surroundings.clock,
            ids=surroundings.ids,
            integration_timeouts=not options.debugged,
            admission=FrontGate(surroundings.gate),
        )

    @property
    def address(self) -> CloudAddress:
        """Of the embedded cloud. Only after `start`."""
        assert self._address is not None
        return self._address

    async def start(self) -> None:
        """Be reachable."""
        if not self._surroundings.options.iam:
            self._surroundings.events.emit(not_enforced())
        await self._handoff.start()
        self._address = address = await self._cloud.start()
        self._aws = session_at(address)
        await self._aws.run(self._aws.warm)

    async def apply(self, manifest: Manifest, assembly: Path) -> Served:
        """Deploy, and serve what came out."""
        assert self._aws is not None
        from skykite.deploy import Deployer

        surroundings = self._surroundings
        deployer = Deployer(
            session=self._aws,
            events=surroundings.events,
            clock=surroundings.clock,
            asker=surroundings.asker,
            project_root=surroundings.project_root,
            state=surroundings.state,
        )
        await self._functions.expect(manifest, assembly, aws=self._aws, variables=_variables(self.address))
        surroundings.gate.enter("deploying")  # which may wait for functions of ours
        deployed = await deployer.deploy(manifest, assembly, bundles=surroundings.options.bundles)
        return await self._serve(manifest, deployed)

    async def _serve(self, whole: Manifest, deployed: Deployed) -> Served:
        assert self._aws is not None
        manifest, address = deployed_part(whole, deployed.physical), self.address
        endpoints = await self._ports.serve(
            lambda: self._gateway.serve(
                [
                    ServedApi(
                        entry=api,
                        api_id=deployed.physical[api.stack][api.logical_id],
                        account=address.account,
                        port=self._ports.port_of(api.path),
                    )
                    for api in sorted(manifest.http_apis, key=lambda api: api.path)
                ]
            )
        )
        urls = {
            deployed.physical[api.stack][api.logical_id]: endpoint.url
            for api in manifest.http_apis
            for endpoint in endpoints
            if endpoint.path == api.path
        }
        names = {f.id: deployed.physical[f.stack][f.logical_id] for f in manifest.functions}
        live = live_functions(manifest)
        self._functions.translate = lambda text: translate_urls(text, urls)
        configs = await self._functions.settle(manifest, names)
        elsewhere = frozenset(names) - {entry.id for entry in live}
        deployed_ones = LambdaInvoker(self._aws, self._surroundings.clock, names)
        self._split.divert(elsewhere, ToldInvoker(deployed_ones, self._surroundings.events))
        resources = resource_names(manifest, deployed.physical)
        self._handoff.register({names[entry.id]: entry.id for entry in live}, names=resources)
        self._reports.know(functions={name: function for function, name in names.items()}, resources=resources)
        return Served(
            endpoints=endpoints,
            outputs={
                stack: {key: translate_urls(value, urls) for key, value in values.items()}
                for stack, values in deployed.outputs.items()
            },
            live=tuple(entry.id for entry in live),
            runtimes=tuple(config.runtime for config in configs),
            urls=urls,
            notices=(
                *whereabouts(manifest),
                *unserved_notices(manifest),
                *absent_notices(manifest),
                *await missing_secrets(self._aws, manifest),
            ),
        )

    async def _issue(self, state: FunctionState) -> Mapping[str, str]:
        return await self._cloud.role_credentials(function=state.name, arn=state.arn, role=state.role)

    def templates(self, assembly: Path) -> Path:
        """Those of the assembly."""
        return assembly

    async def keep(self) -> None:
        """Start the embedded cloud again when it dies."""
        clock, events = self._surroundings.clock, self._surroundings.events
        revival = Revival()
        while True:
            born = clock.monotonic()
            error = await self._cloud.wait_died()
            if not revival.after(clock.monotonic() - born):
                raise error
            events.emit(ErrorRaised.of(error))
            before = self._address
            self._address = await self._cloud.start()
            await self._functions.renew()
            if self._address != before:
                raise error
            events.emit(
                Notice(notice="cloud-restarted", message="the embedded cloud runs again, with its last saved state")
            )

    async def refuse(self) -> None:
        """Take no more requests."""
        await self._gateway.stop()

    async def stop(self) -> None:
        """Stop the embedded cloud."""
        await self._cloud.stop()
        await self._handoff.stop()
        if self._aws is not None:
            self._aws.close()


def _variables(address: CloudAddress) -> dict[str, str]:
    """What Lambda would add to a function's environment, for this cloud, but for its role's keys."""
    return {
        "AWS_ENDPOINT_URL": address.url,
        "AWS_REGION": address.region,
        "AWS_DEFAULT_REGION": address.region,
    }
