"""Small assemblies written by hand, and deploys of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.cloud import Answers, RealClock, RecordedEvents
from skykite.aws import AwsSession, StackState
from skykite.deploy import Deployed, Deployer, RemovedStacks
from skykite.model.manifest import AssetEntry, FunctionEntry, Manifest, Mode, ResourceEntry, StackEntry
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName

STAGE = StageName("alice")
TABLE: Mapping[str, Any] = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
}
QUEUE: Mapping[str, Any] = {"Type": "AWS::SQS::Queue"}
TOPIC: Mapping[str, Any] = {"Type": "AWS::SNS::Topic"}


def template(
    resources: Mapping[str, Any], *, outputs: Mapping[str, Any] | None = None, **sections: object
) -> dict[str, Any]:
    """A template; an output given as a string is its value."""
    document: dict[str, Any] = {"Resources": dict(resources), **sections}
    if outputs:
        document["Outputs"] = {
            key: {"Value": value} if isinstance(value, str) else value for key, value in outputs.items()
        }
    return document


Build = Callable[[AssetEntry, Path], Awaitable[None]]


class BuiltBy:
    """Bundles that a function makes; whether Lambda takes them is no question here."""

    def __init__(self, build: Build) -> None:
        self.build = build

    async def check(self, manifest: Manifest, assembly: Path) -> None: ...


class Workbench:
    """Deploys assemblies of one app and keeps what was said and asked."""

    def __init__(self, *, session: AwsSession, root: Path, app: str, stage: StageName = STAGE) -> None:
        self.session = session
        self.root = root
        self.app = AppName(app)
        self.stage = stage
        self.assembly = root / "assembly"
        self.assembly.mkdir()
        self.state = root / ".kite"
        self.events = RecordedEvents()
        self.asker = Answers()

    def name(self, stack: str) -> StackName:
        return StackName(f"{self.stage}-{self.app}-{stack}")

    def manifest(
        self,
        stacks: Mapping[str, Mapping[str, Any]],
        *,
        dependencies: Mapping[str, Sequence[str]] | None = None,
        assets: Sequence[AssetEntry] = (),
        mode: Mode = "deploy",
        live: Sequence[str] = (),
    ) -> Manifest:
        """Write the templates; the construct path of resource `R` in stack `S` is `S/R`. Assets go to each stack;
        stacks named in `live` hold a live function."""
        entries = []
        for stack, document in stacks.items():
            (self.assembly / f"{stack}.template.json").write_text(json.dumps(document))
            entries.append(
                StackEntry(
                    name=self.name(stack),
                    path=ConstructPath(stack),
                    template=f"{stack}.template.json",
                    dependencies=tuple(self.name(other) for other in (dependencies or {}).get(stack, ())),
                    assets=tuple(assets),
                    resources=tuple(
                        ResourceEntry(
                            logical_id=LogicalId(logical_id),
                            path=ConstructPath(f"{stack}/{logical_id}"),
                            type=resource["Type"],
                        )
                        for logical_id, resource in document["Resources"].items()
                    ),
                )
            )
        return Manifest(
            version=1,
            app=self.app,
            stage=self.stage,
            region=self.session.region,
            mode=mode,
            stacks=tuple(entries),
            functions=tuple(_live_function(self.name(stack)) for stack in live),
        )

    def deployer(self) -> Deployer:
        self.events = RecordedEvents()
        return Deployer(
            session=self.session,
            events=self.events,
            clock=RealClock(),
            asker=self.asker,
            project_root=self.root,
            state=self.state,
        )

    async def deploy(
        self,
        stacks: Mapping[str, Mapping[str, Any]],
        *,
        dependencies: Mapping[str, Sequence[str]] | None = None,
        assets: Sequence[AssetEntry] = (),
        build: Build | None = None,
        mode: Mode = "deploy",
        live: Sequence[str] = (),
    ) -> Deployed:
        manifest = self.manifest(stacks, dependencies=dependencies, assets=assets, mode=mode, live=live)
        bundles = BuiltBy(build) if build else None
        return await self.deployer().deploy(manifest, self.assembly, bundles=bundles)

    async def remove(self) -> RemovedStacks:
        return await self.deployer().remove(self.app, self.stage)

    async def stack(self, stack: str) -> StackState | None:
        return await self.session.run(self.session.cloudformation.stack, self.name(stack))


def _live_function(stack: StackName) -> FunctionEntry:
    return FunctionEntry(
        id=FunctionId(f"{stack}/F"),
        stack=stack,
        logical_id=LogicalId("F"),
        runtime="python3.13",
        memory_mb=1024,
        timeout_s=10,
        architecture="x86_64",
        live=True,
        handler="functions/notes.get",
    )
