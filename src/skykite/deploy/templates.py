"""CloudFormation templates: what they import and export, and the mark by which a deployed one is known again.

In: a stack of the assembly and the bytes of its template. Out: a `DesiredStack`, and the text to deploy. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from skykite.aws import StackState
from skykite.errors import SkykiteError
from skykite.model.manifest import Mode, StackEntry
from skykite.model.names import AppName, ConstructPath, LogicalId, StackName, StageName
from skykite.model.plan import KeptExport

MARK: Final = "SkykiteTemplate"
"""The output that holds the hash of the template it was deployed from, and the mode if functions of it run elsewhere.

One DescribeStacks then tells what is unchanged, without fetching a template. It is an output because those change
without touching a resource; a stack tag would be copied to every resource, and change them all on each deploy.
"""

APP_TAG: Final = "skykite:app"
STAGE_TAG: Final = "skykite:stage"
_PLUMBING: Final = frozenset({"Resource", "Default"})  # parts of a path that CDK itself hides
_MAX_OUTPUTS: Final = 200  # CloudFormation's limit; a stack that full goes without a mark


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPaths:
    """The constructs behind a stack and its resources."""

    root: ConstructPath
    paths: Mapping[LogicalId, ConstructPath] = field(default_factory=dict)

    def known(self, logical_id: str) -> ConstructPath | None:
        return self.paths.get(LogicalId(logical_id))

    def of(self, logical_id: str) -> ConstructPath:
        """The construct behind a resource, or the next best name for it."""
        return self.known(logical_id) or ConstructPath(f"{self.root}/{logical_id}")

    def with_former(self, deployed: Mapping[str, Any]) -> StackPaths:
        """Also knows the resources that only the deployed template has, which are about to go."""
        former = {
            LogicalId(logical_id): path
            for logical_id, resource in (deployed.get("Resources") or {}).items()
            if (path := _noted_path(resource))
        }
        return StackPaths(root=self.root, paths={**former, **self.paths})


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredStack:
    """A stack as the assembly wants it."""

    name: StackName
    paths: StackPaths
    template: Mapping[str, Any]
    mark: str
    tags: Mapping[str, str]
    dependencies: tuple[StackName, ...] = ()

    @property
    def path(self) -> ConstructPath:
        return self.paths.root

    def paths_of_types(self, types: Collection[str]) -> tuple[ConstructPath, ...]:
        """The constructs behind resources of these types."""
        resources = (self.template.get("Resources") or {}).items()
        return tuple(self.paths.of(logical_id) for logical_id, found in resources if found.get("Type") in types)

    @property
    def exports(self) -> frozenset[str]:
        """Names of exports, as far as they are literal; those CDK makes between stacks are."""
        found = set()
        for output in (self.template.get("Outputs") or {}).values():
            name = (output.get("Export") or {}).get("Name")
            if isinstance(name, str):
                found.add(name)
        return frozenset(found)

    @property
    def imports(self) -> frozenset[str]:
        """Literal names of the exports it imports."""
        return frozenset(_imports(self.template))


def desired_stack(
    entry: StackEntry, template: bytes, *, app: AppName, stage: StageName, mode: Mode = "deploy"
) -> DesiredStack:
    """Read one stack of the assembly. `mode` is `deploy` unless functions of this very stack run elsewhere."""
    digest = hashlib.sha256(template).hexdigest()[:32]
    return DesiredStack(
        name=entry.name,
        paths=StackPaths(root=entry.path, paths={resource.logical_id: resource.path for resource in entry.resources}),
        template=decode_template(template, source=entry.template),
        mark=digest if mode == "deploy" else f"{mode}-{digest}",
        tags={**entry.tags, APP_TAG: app, STAGE_TAG: stage},
        dependencies=entry.dependencies,
    )


def decode_template(template: bytes, *, source: str) -> dict[str, Any]:
    """Parse a template of the assembly."""
    try:
        return msgspec.json.decode(template, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise SkykiteError(
            "assembly-invalid", f"`{source}` is not a JSON template: {error}", hint="run `kite synth`", blame="skykite"
        ) from error


def is_unchanged(desired: DesiredStack, state: StackState) -> bool:
    """Whether a stack already is what the assembly wants, as far as one can tell without asking further."""
    if state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return False
    if _mark(state) != desired.mark:
        return False
    if {key: value for key, value in state.tags.items() if not key.startswith("aws:")} != dict(desired.tags):
        return False
    for name, parameter in _parameters(desired.template).items():
        if _follows_store(parameter):
            return False  # what it points to may have changed; only a change set tells
        if parameter.get("NoEcho") in (True, "true") or "Default" not in parameter:
            continue
        if state.parameters.get(name) != _as_text(parameter["Default"]):
            return False
    return True


def runs_deployed_code(state: StackState) -> bool:
    """Whether the functions of a stack are those of a real deploy, as far as one can tell."""
    return "-" not in (_mark(state) or "")


def runs_stubs(state: StackState) -> bool:
    """Whether functions of a stack are stubs that pass their invocations on."""
    return (_mark(state) or "").startswith("live-")


def template_text(desired: DesiredStack, *, kept: Sequence[KeptExport] = ()) -> str:
    """What to hand to CloudFormation: the template, its mark, and exports that must stay for now."""
    outputs: dict[str, Any] = dict(desired.template.get("Outputs") or {})
    for export in kept:
        key = export.output if export.output not in outputs else f"{export.output}Kept"
        outputs[key] = {"Value": export.value, "Export": {"Name": export.name}}
    if len(outputs) < _MAX_OUTPUTS and not kept:
        outputs[MARK] = {"Description": "By this Skykite knows an unchanged stack", "Value": desired.mark}
    return msgspec.json.encode({**desired.template, "Outputs": outputs}).decode()


def kept_parameters(desired: DesiredStack, state: StackState | None) -> tuple[str, ...]:
    """Parameters without a default, which keep the value they have. Raises if they have none yet."""
    without = [name for name, parameter in _parameters(desired.template).items() if "Default" not in parameter]
    for name in without:
        if state is None or name not in state.parameters:
            raise SkykiteError(
                "parameter-without-value",
                f"the template of `{desired.path}` has a parameter `{name}` without a default, "
                "and nothing gives it a value",
                hint="give the CfnParameter a default, or use a context value or an environment variable instead",
            )
    return tuple(without)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedResource:
    """A resource of a deployed template. `policy` is its deletion policy."""

    logical_id: LogicalId
    path: ConstructPath
    type: str
    policy: str


def deployed_resources(template: Mapping[str, Any], stack: StackName) -> tuple[DeployedResource, ...]:
    """The resources of a template fetched from CloudFormation; their paths come from what CDK notes in it."""
    found = []
    for logical_id, resource in (template.get("Resources") or {}).items():
        if isinstance(resource, dict):
            policy = resource.get("DeletionPolicy")
            found.append(
                DeployedResource(
                    logical_id=LogicalId(logical_id),
                    path=_noted_path(resource) or ConstructPath(f"{stack}/{logical_id}"),
                    type=str(resource.get("Type", "")),
                    policy=policy if isinstance(policy, str) else "Delete",
                )
            )
    return tuple(found)


def function_variables(template: Mapping[str, Any], logical_id: str) -> Mapping[str, Any]:
    """The environment of a Lambda function as its template writes it; empty if there is none."""
    node: object = template.get("Resources")
    for key in (logical_id, "Properties", "Environment", "Variables"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _noted_path(resource: object) -> ConstructPath | None:
    """The construct that CDK notes with a resource of a template."""
    metadata = resource.get("Metadata") if isinstance(resource, dict) else None
    noted = str(metadata.get("aws:cdk:path", "")) if isinstance(metadata, dict) else ""
    return ConstructPath("/".join(part for part in noted.split("/") if part not in _PLUMBING)) or None


def _mark(state: StackState) -> str | None:
    return next((output.value for output in state.outputs if output.key == MARK), None)


def _parameters(template: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return template.get("Parameters") or {}


def _follows_store(parameter: Mapping[str, Any]) -> bool:
    return str(parameter.get("Type", "")).startswith("AWS::SSM::Parameter::Value")


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_as_text, value)) if isinstance(value, list) else str(value)


def _imports(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        name = node.get("Fn::ImportValue")
        if isinstance(name, str):
            yield name
        for value in node.values():
            yield from _imports(value)
    elif isinstance(node, list):
        for value in node:
            yield from _imports(value)
