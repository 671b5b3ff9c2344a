"""From CDK's assembly on disk to `kite.manifest.json` beside it.

In: the assembly directory and what the program declared. Out: the manifest file. I/O: reads the assembly's JSON files,
writes one. Everything is read from files, not asked of the kernel: that is faster, and it sees what aspects changed
and what plain CDK made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from skykite.constructs.declared import DeclaredLink
from skykite.constructs.http_apis import read_http_apis
from skykite.constructs.images import read_images
from skykite.constructs.program import Program
from skykite.constructs.template_checks import check_circle, check_names, check_size
from skykite.errors import SkykiteError
from skykite.model.manifest import (
    MANIFEST_FILE,
    MANIFEST_VERSION,
    AssetEntry,
    BundleEntry,
    FunctionEntry,
    ImageEntry,
    LayerEntry,
    LinkEntry,
    Manifest,
    PackageOptions,
    PackagesEntry,
    ResourceEntry,
    SecretEntry,
    StackEntry,
    SynthNotice,
    encode_manifest,
)
from skykite.model.names import ConstructPath, FunctionId, LogicalId, StackName
from skykite.model.references import Address, Expression, Templates, path_of_resource
from skykite.model.runtimes import kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """A stack as the assembly has it; `folder` is its (nested) assembly, relative to the outermost."""

    folder: PurePosixPath
    artifact: str
    document: Mapping[str, Any]
    template: Mapping[str, Any]


def write_manifest(directory: Path, program: Program) -> None:
    """Raises SkykiteError for what Skykite cannot deploy: missing context, nested stacks, and what `template_checks`
    finds."""
    stacks = list(_read_stacks(directory, PurePosixPath(), program.root))
    notices = _check(stacks, program)
    names = {stack.artifact: _stack_name(stack) for stack in stacks}
    templates = Templates({_stack_name(stack): stack.template for stack in stacks})
    folders = {_stack_name(stack): stack.folder for stack in stacks}
    functions = tuple(entry for stack in stacks for entry in _functions(stack, program, templates, folders))
    apis = read_http_apis(
        {_stack_name(stack): stack.template for stack in stacks},
        {Address(function.stack, function.logical_id): function.id for function in functions},
    )
    manifest = Manifest(
        version=MANIFEST_VERSION,
        app=program.synthesis.app,
        stage=program.synthesis.stage,
        region=program.synthesis.region,
        mode=program.synthesis.mode,
        stacks=tuple(_stack_entry(stack, names, directory, program) for stack in stacks),
        functions=functions,
        http_apis=apis.served,
        unserved_apis=apis.unserved,
        live_credentials=program.live_credentials,
        links=tuple(_links(program)),
        secrets=tuple(_secrets(program)),
        notices=notices,
        made=tuple(sorted(program.made)),
        lines={path: line.relative_to(program.root) for path, line in sorted(program.lines.items())},
    )
    (directory / MANIFEST_FILE).write_bytes(encode_manifest(manifest))


def _read_stacks(directory: Path, folder: PurePosixPath, root: Path) -> Iterator[_Stack]:
    document = json.loads((directory / folder / "manifest.json").read_text(encoding="utf-8"))
    if document.get("missing"):
        raise _missing_context(document["missing"])
    for name, artifact in document.get("artifacts", {}).items():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _read_stacks(directory, folder / artifact["properties"]["directoryName"], root)
        elif artifact["type"] == "aws:cloudformation:stack":
            file = directory / folder / artifact["properties"]["templateFile"]
            template = json.loads(file.read_text(encoding="utf-8"))
            yield _Stack(folder=folder, artifact=name, document=artifact, template=template)


def _stack_name(stack: _Stack) -> StackName:
    return StackName(stack.document["properties"].get("stackName", stack.artifact))


def _stack_path(stack: _Stack) -> ConstructPath:
    return ConstructPath(stack.document.get("displayName", stack.artifact).partition(" (")[0])


def _check(stacks: Sequence[_Stack], program: Program) -> tuple[SynthNotice, ...]:
    notices = []
    for stack in stacks:
        path, resources = _stack_path(stack), stack.template.get("Resources", {})
        notices.append(check_size(path, resources, program))
        check_circle(path, resources, program)
    check_names(
        ((_stack_path(stack), _stack_name(stack), stack.template.get("Resources", {})) for stack in stacks), program
    )
    return tuple(notice for notice in notices if notice is not None)


def _stack_entry(stack: _Stack, names: Mapping[str, StackName], directory: Path, program: Program) -> StackEntry:
    properties = stack.document["properties"]
    path = _stack_path(stack)
    resources = stack.template.get("Resources", {})
    for resource in resources.values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            raise SkykiteError(
                "nested-stack",
                f"`{path_of_resource(resource)}` is a nested stack, which Skykite does not deploy",
                hint="make it a `Stack` of its own: Skykite deploys stacks in order of what they need, and in parallel",
            )
    return StackEntry(
        name=_stack_name(stack),
        path=path,
        template=(stack.folder / properties["templateFile"]).as_posix(),
        dependencies=tuple(sorted(names[name] for name in stack.document.get("dependencies", ()) if name in names)),
        assets=tuple(_assets(stack, directory, program)),
        images=tuple(_images(stack, directory, program)),
        resources=tuple(
            ResourceEntry(logical_id=LogicalId(logical_id), path=path_of_resource(resource), type=resource["Type"])
            for logical_id, resource in resources.items()
        ),
        tags=dict(properties.get("tags", {})),
    )


def _assets(stack: _Stack, directory: Path, program: Program) -> Iterator[AssetEntry]:
    """The files of the asset manifest this stack depends on; its own template is not one to send."""
    manifest = directory / stack.folder / f"{stack.artifact}.assets.json"
    if not manifest.is_file():
        return
    document = json.loads(manifest.read_text(encoding="utf-8"))
    for digest, file in document.get("files", {}).items():
        source = file["source"]
        if source.get("path") == stack.document["properties"]["templateFile"]:
            continue
        if "path" not in source:
            raise SkykiteError(
                "executable-asset",
                f"stack `{_stack_name(stack)}` holds an asset made by running a command, which Skykite does not do",
                hint="make the file first and give its path",
            )
        for destination in file["destinations"].values():
            built = program.bundles.get(digest)
            yield AssetEntry(
                key=destination["objectKey"],
                bucket=destination["bucketName"],
                packaging="bundle" if built else source.get("packaging", "file"),
                source=_inside(stack.folder, source["path"]),
                bundle=built if isinstance(built, BundleEntry) else None,
                packages=built if isinstance(built, PackagesEntry) else None,
            )


def _images(stack: _Stack, directory: Path, program: Program) -> Iterator[ImageEntry]:
    manifest = directory / stack.folder / f"{stack.artifact}.assets.json"
    if not manifest.is_file():
        return
    for image in read_images(json.loads(manifest.read_text(encoding="utf-8")), _stack_name(stack)):
        if program.synthesis.mode == "local":
            raise SkykiteError(
                "image-not-here",
                f"stack `{_stack_name(stack)}` holds a container image made by plain CDK, which the embedded cloud "
                "does not run",
                hint='leave it out where `app.mode == "local"`, or make it with `Function(…, image=…)`, which does',
            )
        yield replace(image, source=_inside(stack.folder, image.source))


def _inside(folder: PurePosixPath, path: str) -> str:
    """`../asset.x.zip` from a nested assembly is `asset.x.zip` from the outermost."""
    parts: list[str] = []
    for part in (folder / path).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _functions(
    stack: _Stack, program: Program, templates: Templates, folders: Mapping[StackName, PurePosixPath]
) -> Iterator[FunctionEntry]:
    for logical_id, resource in stack.template.get("Resources", {}).items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        properties = resource.get("Properties", {})
        path = path_of_resource(resource) or ConstructPath(f"{_stack_name(stack)}/{logical_id}")
        declared = program.functions.get(path)
        yield FunctionEntry(
            id=FunctionId(path),
            stack=_stack_name(stack),
            logical_id=LogicalId(logical_id),
            runtime=declared.runtime if declared else _literal(properties, "Runtime", ""),
            memory_mb=declared.memory_mb if declared else _number(properties, "MemorySize", 128),
            timeout_s=declared.timeout_s if declared else _number(properties, "Timeout", 3),
            architecture=cast("Any", (properties.get("Architectures") or ["x86_64"])[0]),
            live=declared.live if declared else False,
            handler=declared.handler if declared else None,
            import_root=declared.import_root if declared else None,
            copied=declared.bundle.copied if declared else (),
            code=_source(resource, stack.folder),
            layers=tuple(_layers(Expression(_stack_name(stack), properties.get("Layers")), templates, folders)),
            vpc="VpcConfig" in properties,
            node=declared.bundle.node if declared else None,
            location=declared.location if declared else None,
            kind=declared.kind if declared else kind_of(_literal(properties, "Runtime", "")),
            executable=declared.bundle.executable if declared else None,
            packages=declared.bundle.packages if declared else PackageOptions(),
        )


def _links(program: Program) -> Iterator[LinkEntry]:
    """By name, then path: two functions may know different resources by one name."""
    known: dict[tuple[str, ConstructPath], list[DeclaredLink]] = {}
    for link in program.links:
        known.setdefault((link.name, link.path), []).append(link)
    for (name, path), links in sorted(known.items()):
        yield LinkEntry(
            name=name,
            type=links[0].type,
            path=path,
            attributes=links[0].attributes,
            functions=tuple(sorted({link.function for link in links})),
        )


def _secrets(program: Program) -> Iterator[SecretEntry]:
    for name, secret in sorted(program.secrets.items()):
        yield SecretEntry(
            name=name,
            path=secret.path,
            kind="secret" if secret.default is None else "parameter",
            functions=tuple(sorted({link.function for link in program.links if link.path in secret.paths})),
            location=secret.location,
        )


def _layers(
    listed: Expression, templates: Templates, folders: Mapping[StackName, PurePosixPath]
) -> Iterator[LayerEntry]:
    for layer in listed.value if isinstance(listed.value, list) else ():
        expression = Expression(listed.stack, layer)
        address = next(templates.targets(expression), None)
        if address is None:
            yield LayerEntry(name=templates.text(expression))
            continue
        resource = templates.resource(address)
        yield LayerEntry(
            name=path_of_resource(resource) or f"{address.stack}/{address.logical_id}",
            source=_source(resource, folders[address.stack]),
        )


def _source(resource: Mapping[str, Any], folder: PurePosixPath) -> str | None:
    """Where CDK has put the zip, or its folder, that a function or a layer is made of."""
    metadata = resource.get("Metadata", {})
    source = metadata.get("aws:asset:path")
    if metadata.get("aws:asset:property") not in ("Code", "Content") or not isinstance(source, str):
        return None  # a container image is one of `Code.ImageUri`
    return _inside(folder, source)


def _literal(properties: Mapping[str, Any], name: str, default: str) -> str:
    value = properties.get(name, default)
    return value if isinstance(value, str) else default


def _number(properties: Mapping[str, Any], name: str, default: int) -> int:
    value = properties.get(name, default)
    return value if isinstance(value, int) else default


def _missing_context(missing: list[Mapping[str, Any]]) -> SkykiteError:
    wanted = "\n".join(f"  {item['provider']}: {item['key']}" for item in missing)
    return SkykiteError(
        "context-missing",
        f"the stacks look up what only an AWS account knows:\n{wanted}",
        hint="write the values into cdk.context.json under these keys (`cdk synth` of the CDK CLI looks them up), or "
        "pass them to the constructs",
    )
