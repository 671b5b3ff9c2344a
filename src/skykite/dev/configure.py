"""From a manifest and what was deployed to what runs here. Pure, but for listing import roots."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skykite.dev.function_files import FunctionFiles
from skykite.dev.machine_network import unless_set
from skykite.errors import SkykiteError
from skykite.model.dependencies import dependency_files
from skykite.model.disk import Disk
from skykite.model.executable import BOOTSTRAP
from skykite.model.find_function import find_function
from skykite.model.invocation import FunctionConfig, Handler, parse_handler
from skykite.model.live import STUB_VARIABLE
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import ConstructPath, FunctionId, LogicalId, StackName
from skykite.model.naming import naming_files
from skykite.model.project import STATE_DIRECTORY
from skykite.model.secrets import AGE_VARIABLE, STAMP_FILE, STAMP_VARIABLE
from skykite.model.source import bundle_files, copied_sources, select, select_package

if TYPE_CHECKING:
    from skykite.aws import FunctionState

_SECRETS_AGE_S = "2"


def live_functions(manifest: Manifest) -> tuple[FunctionEntry, ...]:
    """The functions that run on this machine: ours, and not opted out."""
    return tuple(entry for entry in manifest.functions if entry.live and entry.handler is not None)


def check_selection(manifest: Manifest, wanted: Sequence[str] | None) -> None:
    """Raises `function-unknown`, `function-ambiguous` or `function-not-live` for a name that chooses no function."""
    for name in wanted or ():
        entry = find_function(manifest, name)
        if entry.live:
            continue
        if entry.kind == "image":
            raise SkykiteError("function-not-live", f"`{entry.id}` is a container image, which runs as deployed only")
        if entry.handler is None:
            raise SkykiteError("function-not-live", f"`{entry.id}` is made by plain CDK, so it always runs as deployed")
        where = f" at `{entry.location}`" if entry.location else ""
        raise SkykiteError(
            "function-not-live", f"`{entry.id}` has live=False", hint=f"take it out{where}, or choose other functions"
        )


def deployed_part(manifest: Manifest, physical: Mapping[StackName, Mapping[LogicalId, str]]) -> Manifest:
    """Without the functions and APIs that a CloudFormation condition left out."""
    functions = tuple(entry for entry in manifest.functions if entry.logical_id in physical[entry.stack])
    there = {entry.id for entry in functions}
    return replace(
        manifest,
        functions=functions,
        http_apis=tuple(
            replace(api, routes=tuple(route for route in api.routes if route.function in there))
            for api in manifest.http_apis
            if api.logical_id in physical[api.stack]
        ),
    )


def configure_functions(
    manifest: Manifest,
    states: Mapping[FunctionId, FunctionState],
    *,
    project_root: Path,
    variables: Mapping[str, str],
    own: Mapping[FunctionId, Mapping[str, str]],
    translate: Callable[[str], str],
    files: Mapping[FunctionId, FunctionFiles],
) -> tuple[FunctionConfig, ...]:
    """One `FunctionConfig` per live function, with the environment it was deployed with.

    A secret that is set shall show soon: it is read again after seconds, and `kite secrets` here makes a worker old.
    `variables`, and those of its `own`, stand in for what Lambda adds: region, the role's keys, and the endpoint of the
    embedded cloud. What the stub is told is not part of a function's environment.
    `translate` turns URLs that only exist in the cloud into local ones. `files` are beside a function's code.
    """
    secrets = {
        AGE_VARIABLE: _SECRETS_AGE_S,
        STAMP_VARIABLE: str(project_root / STATE_DIRECTORY / manifest.stage / STAMP_FILE),
    }
    with_secrets = {function for secret in manifest.secrets for function in secret.functions}
    configs = []
    for entry in live_functions(manifest):
        state = states[entry.id]
        assert entry.handler is not None
        import_root = project_root / (entry.import_root or ".")
        environment = {name: translate(value) for name, value in state.environment.items() if name != STUB_VARIABLE}
        beside = files.get(entry.id, FunctionFiles())
        searched = [path for path in (environment.get("PYTHONPATH"), *map(str, beside.search)) if path]
        if searched:
            environment["PYTHONPATH"] = os.pathsep.join(searched)
        configs.append(
            FunctionConfig(
                id=entry.id,
                name=state.name,
                arn=state.arn,
                handler=_handler_in(import_root, entry, project_root),
                import_root=import_root,
                project_root=project_root,
                runtime=entry.runtime,
                memory_mb=entry.memory_mb,
                timeout_s=float(entry.timeout_s),
                environment={
                    **(secrets if entry.id in with_secrets else {}),
                    **unless_set(variables, environment),
                    **own.get(entry.id, {}),
                    **_logging(state),
                    **environment,
                },
                region=manifest.region,
                source=str(entry.location) if entry.location else None,
                task_root=beside.task_root,
                copied=beside.copied,
                kind=entry.kind,
                node=entry.node,
                executable=entry.executable,
            )
        )
    return tuple(configs)


def _handler_in(import_root: Path, entry: FunctionEntry, project_root: Path) -> Handler:
    """Relative to the import root."""
    assert entry.handler is not None
    if entry.kind == "executable":
        return Handler(path=entry.handler.rstrip("/"), function=BOOTSTRAP)
    handler = parse_handler(entry.handler)
    inside = (project_root / handler.path).relative_to(import_root).as_posix()
    return parse_handler(f"{inside}.{handler.function}")


def _logging(state: FunctionState) -> dict[str, str]:
    """What Lambda says of where and how a function logs."""
    told = {"AWS_LAMBDA_LOG_GROUP_NAME": state.log_group, "AWS_LAMBDA_LOG_FORMAT": state.log_format}
    return {name: value for name, value in told.items() if value}


def resource_names(
    manifest: Manifest, physical: Mapping[StackName, Mapping[LogicalId, str]]
) -> dict[str, ConstructPath]:
    """What to call a resource whose physical name is all that an event says. A physical id may be a URL or an ARN;
    its last part is the name."""
    return {
        re.split(r"[:/]", physical_id)[-1]: resource.path
        for stack in manifest.stacks
        for resource in stack.resources
        if (physical_id := physical.get(stack.name, {}).get(resource.logical_id))
    }


def bundled_sources(manifest: Manifest, project_root: Path) -> frozenset[Path]:
    """What the zips of functions that run as deployed are made of: a save there has to be deployed.

    Files, and the folders they are in, where a new file would show. I/O: lists the import roots.
    """
    found: set[Path] = set()
    bundles = {asset.bundle for stack in manifest.stacks for asset in stack.assets if asset.bundle}
    for root in {bundle.import_root for bundle in bundles if bundle.executable is None}:
        import_root = project_root / root
        files = [file.location for file in select(import_root, project_root)]
        found.update(files, dependency_files(import_root))
        found.update(file.parent for file in files)
    for folder in {folder for bundle in bundles for folder in bundle.local}:
        files = [file.location for file in select_package(project_root / folder)]
        found.update(files, (file.parent for file in files))
    disk = Disk()
    for bundle in bundles:
        with contextlib.suppress(SkykiteError):  # being written at this moment; that it is there is watched already
            found.update(naming_files(bundle, project_root, disk))
        if bundle.executable is not None:
            files = [file.location for file in bundle_files(bundle, project_root)]
            found.update(files, (file.parent for file in files))
        files = [file.location for file in copied_sources(bundle.copied, project_root)]
        found.update(files, (file.parent for file in files))
    return frozenset(found)
