"""`kite dev` in Live: the place is AWS, or the embedded cloud as if it were AWS; invocations come over the bridge.

In: an assembly. Out: stubs deployed, and what they pass on run here under the functions' roles. I/O: CloudFormation,
Lambda, STS, SSM and S3 of that cloud through its session; the bridge's connection.

The bridge is up before a deployment begins, since a deployment may call functions it has only just made.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from skykite.cloud import translate_urls
from skykite.dev.clouds import CloudOfLive
from skykite.dev.configure import deployed_part, live_functions, resource_names
from skykite.dev.freshness import GatedInvoker
from skykite.dev.function_files import absent_notices
from skykite.dev.functions import DevFunctions
from skykite.dev.machine_network import machine_network
from skykite.dev.place import DevMode, Served, Surroundings
from skykite.dev.secrets import missing_secrets
from skykite.dev.whereabouts import whereabouts
from skykite.errors import SkykiteError
from skykite.live.bridge import Bridge
from skykite.live.credentials import DeveloperCredentials, FunctionRole, RoleCredentials
from skykite.live.keeper import CredentialedInvoker, CredentialKeeper
from skykite.live.opening import open_bridge
from skykite.live.sessionpolicy import session_policy
from skykite.live.templates import LiveStage, live_templates
from skykite.model.bootstrap import EventApi, bootstrap_bucket
from skykite.model.events import Endpoint, Notice
from skykite.model.invocation import Failed, Invocation, Outcome, Report
from skykite.model.manifest import Manifest
from skykite.model.names import FunctionId, StackName
from skykite.model.project import LiveCredentials

if TYPE_CHECKING:
    from skykite.aws import AwsSession, FunctionState, Identity
    from skykite.deploy import Deployed, Deployer, StageFiles


_NOT_DEPLOYED: Final = "what was saved is not deployed"


class LivePlace:
    """A `Place`. The stage is this session's from the first `apply` on, until `stop` or until another takes it over."""

    mode: DevMode = "live"

    def __init__(self, surroundings: Surroundings, cloud: CloudOfLive) -> None:
        self._surroundings = surroundings
        self._cloud = cloud
        self._aws: AwsSession | None = None
        self._identity: Identity | None = None
        self._functions = DevFunctions(runtime=surroundings.runtime, project_root=surroundings.project_root)
        self._credentials: CredentialKeeper | None = None
        self._issuer: LiveCredentials | None = None
        self._bridge: Bridge | None = None
        self._bridging: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()  # once there is a bridge, that is with the first `apply`
        self._urls: Mapping[str, str] = {}

    async def start(self) -> None:
        """Reach the cloud, and learn who we are there."""
        self._aws = await self._cloud.open()
        self._identity = await self._aws.run(self._aws.sts.identity)

    async def apply(self, manifest: Manifest, assembly: Path) -> Served:
        """Deploy the stubs, and run what they pass on."""
        assert self._aws is not None
        assert self._identity is not None
        await self._check_ours()
        deployer = self._deployer()
        if self._bridge is None:  # nothing of Live shall be on a stage before the user has agreed to it
            await deployer.agree_to_replace(manifest)
        api = await deployer.event_api(make_sure=self._bridge is None)
        await self._begin_credentials(manifest, api)
        await self._functions.expect(manifest, assembly, aws=self._aws, variables=self._variables())
        self._surroundings.gate.enter("deploying")  # which may wait for functions of ours
        bridge = await self._begin_bridge(api)
        bridge.serve([entry.id for entry in live_functions(manifest)])
        notices: list[Notice] = []
        stage = LiveStage(
            app=manifest.app,
            stage=manifest.stage,
            region=manifest.region,
            api=api,
            developer=self._identity,
            credentials=manifest.live_credentials,
        )

        def transform(templates: Mapping[StackName, Mapping[str, Any]]) -> Mapping[StackName, Mapping[str, Any]]:
            if not bridge.serving:
                raise self._taken_over(_NOT_DEPLOYED)
            made = live_templates(templates, live_functions(manifest), stage)
            notices.extend(made.notices)
            self._stage_files().write_live_templates(
                {entry.template: msgspec.json.encode(made.templates[entry.name]) for entry in manifest.stacks}
            )
            return made.templates

        bundles = self._surroundings.options.bundles
        deployed = await deployer.deploy(manifest, assembly, bundles=bundles, transform=transform)
        return await self._serve(deployed_part(manifest, deployed.physical), deployed, bridge, notices)

    async def _check_ours(self) -> None:
        """A session that was taken over finishes what it runs, and changes nothing of a stage that is another's."""
        if self._bridge is not None:
            await self._bridge.check()
            if not self._bridge.serving:
                raise self._taken_over(_NOT_DEPLOYED)

    def _taken_over(self, context: str | None = None) -> SkykiteError:
        stage, taker = self._surroundings.options.stage, None if self._bridge is None else self._bridge.taker
        if taker is not None and taker.is_ending:
            return SkykiteError(
                "live-taken-over",
                f"{taker.holder} ended this session of stage `{stage}`",
                context=context,
                hint="`kite dev` makes the stage live again; to have one of your own: `--stage NAME`",
            )
        return SkykiteError(
            "live-taken-over",
            f"another `kite dev` serves stage `{stage}` now",
            context=context,
            hint="take it back by starting `kite dev` again, or work on a stage of your own: `--stage NAME`",
        )

    def templates(self, assembly: Path) -> Path:
        """Those with what Live adds."""
        templates = self._stage_files().live_templates
        return templates if templates.is_dir() else assembly

    def _stage_files(self) -> StageFiles:
        from skykite.deploy import StageFiles

        return StageFiles(self._surroundings.state, self._surroundings.options.stage)

    def _deployer(self) -> Deployer:
        assert self._aws is not None
        from skykite.deploy import Deployer, image_publisher

        surroundings = self._surroundings
        return Deployer(
            session=self._aws,
            events=surroundings.events,
            clock=surroundings.clock,
            asker=surroundings.asker,
            project_root=surroundings.project_root,
            state=surroundings.state,
            images=image_publisher(self._aws, os.environ, surroundings.events),
        )

    async def _begin_credentials(self, manifest: Manifest, api: EventApi) -> None:
        if self._issuer == manifest.live_credentials:
            return
        assert self._aws is not None
        surroundings = self._surroundings
        source: DeveloperCredentials | RoleCredentials
        if manifest.live_credentials == "developer":
            source = DeveloperCredentials(aws=self._aws, clock=surroundings.clock)
        else:
            policy = session_policy(api=api, bucket=self._bucket(), app=manifest.app, stage=manifest.stage)
            source = RoleCredentials(aws=self._aws, policy=policy, clock=surroundings.clock)
        if self._credentials is not None:
            await self._credentials.stop()
        self._credentials = CredentialKeeper(
            source=source, clock=surroundings.clock, events=surroundings.events, on_credentials=self._functions.give
        )
        self._issuer = manifest.live_credentials
        await self._credentials.start()

    async def _begin_bridge(self, api: EventApi) -> Bridge:
        if self._bridge is not None:
            return self._bridge
        assert self._aws is not None
        surroundings = self._surroundings
        options = surroundings.options
        self._bridge = bridge = await open_bridge(
            aws=self._aws,
            api=api,
            bucket=self._bucket(),
            app=options.project.name,
            stage=options.stage,
            invoker=GatedInvoker(surroundings.gate, self),
            events=surroundings.events,
            clock=surroundings.clock,
            state=surroundings.state / options.stage,
        )
        await bridge.start()
        self._bridging = asyncio.create_task(bridge.run(), name="bridge")
        self._begun.set()
        return bridge

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run what came over the bridge, once its function is known and has credentials."""
        assert self._credentials is not None
        surroundings = self._surroundings
        state = await self._functions.meet(invocation.function)
        if state is not None and not self._credentials.serves(invocation.function):
            self._credentials.serve(_roles(self._functions.states))
        if not self._credentials.serves(invocation.function):  # nothing runs without credentials of its own
            return Failed(
                kind="unavailable",
                error_type="ResourceNotFoundException",
                message=f"Function not found: {invocation.function}",
                report=Report(duration_ms=0.0),
                request_id=invocation.request_id,
            )
        credentialed = CredentialedInvoker(
            invoker=self._functions, keeper=self._credentials, clock=surroundings.clock, events=surroundings.events
        )
        return await credentialed.invoke(invocation)

    async def _serve(self, manifest: Manifest, deployed: Deployed, bridge: Bridge, notices: list[Notice]) -> Served:
        assert self._credentials is not None
        assert self._aws is not None
        urls = await self._cloud.api_urls()
        self._functions.translate = lambda text: translate_urls(text, urls)
        names = {entry.id: deployed.physical[entry.stack][entry.logical_id] for entry in manifest.functions}
        configs = await self._functions.settle(manifest, names)
        self._credentials.serve(_roles(self._functions.states))
        live = tuple(entry.id for entry in live_functions(manifest))
        resources = resource_names(manifest, deployed.physical)
        bridge.serve(live, names=resources)
        self._cloud.know(functions={name: function for function, name in names.items()}, resources=resources)
        return Served(
            endpoints=_endpoints(manifest, deployed, urls),
            outputs={
                stack: {key: translate_urls(value, urls) for key, value in values.items()}
                for stack, values in deployed.outputs.items()
            },
            live=live,
            runtimes=tuple(config.runtime for config in configs),
            urls=urls,
            notices=(
                *notices,
                *whereabouts(manifest),
                *absent_notices(manifest),
                *await missing_secrets(self._aws, manifest),
            ),
        )

    async def keep(self) -> None:
        """Until another session has taken over and what ran here is finished, or the cloud is gone."""
        gone = asyncio.create_task(self._cloud.wait_gone(), name="cloud gone")
        begun = asyncio.create_task(self._begun.wait(), name="bridge begun")
        try:
            await asyncio.wait({gone, begun}, return_when=asyncio.FIRST_COMPLETED)
            if self._bridging is not None:
                await asyncio.wait({gone, self._bridging}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            begun.cancel()
        if self._bridging is not None and self._bridging.done():
            self._bridging.result()
            raise self._taken_over()
        raise gone.result()

    async def refuse(self) -> None:
        """Tell the stubs that wait, and free the stage."""
        if self._bridge is not None:
            await self._bridge.stop()
        if self._bridging is not None:
            self._bridging.cancel()
            await asyncio.wait({self._bridging})
        if self._credentials is not None:
            await self._credentials.stop()

    async def stop(self) -> None:
        """Let go of the cloud."""
        await self._cloud.close()

    def _bucket(self) -> str:
        assert self._identity is not None
        return bootstrap_bucket(self._identity.account, self._surroundings.options.project.region)

    def _variables(self) -> dict[str, str]:
        """What Lambda adds to a function's environment besides its role's keys, and what gets it out of here."""
        assert self._aws is not None
        variables = {
            **machine_network(os.environ),
            "AWS_REGION": self._aws.region,
            "AWS_DEFAULT_REGION": self._aws.region,
        }
        return (
            variables if self._aws.endpoint_url is None else {**variables, "AWS_ENDPOINT_URL": self._aws.endpoint_url}
        )


def _roles(states: Mapping[FunctionId, FunctionState]) -> list[FunctionRole]:
    return [FunctionRole(id=function, name=state.name, role=state.role) for function, state in states.items()]


def _endpoints(manifest: Manifest, deployed: Deployed, urls: Mapping[str, str]) -> tuple[Endpoint, ...]:
    found = []
    for api in sorted(manifest.http_apis, key=lambda api: api.path):
        api_id = deployed.physical[api.stack][api.logical_id]
        stage = "" if api.stage == "$default" else f"/{api.stage}"
        own = f"https://{api_id}.execute-api.{manifest.region}.amazonaws.com{stage}"
        found.append(Endpoint(path=api.path, url=urls.get(api_id, own)))
    return tuple(found)
