"""`kite.manifest.json`: what the rest of Skykite knows about an app without importing aws_cdk.

Written beside the cloud assembly's `manifest.json` by the constructs, read by everything after synth. Pure: bytes in,
data out. Paths are relative POSIX paths; stack-relative ones say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from skykite.errors import SkykiteError
from skykite.model.executable import ExecutableBuild
from skykite.model.invocation import FunctionKind
from skykite.model.names import AppName, ConstructPath, FunctionId, LogicalId, StackName, StageName
from skykite.model.node_build import NodeBuild
from skykite.model.project import LiveCredentials

MANIFEST_FILE: Final = "kite.manifest.json"
MANIFEST_VERSION: Final = 1

Mode = Literal["deploy", "local", "live"]
"""`deploy`: real code in the templates. In the others live functions run on this machine: for `local` they get a
placeholder, for `live` the stub that passes their invocations on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocation:
    """Where the user's program made something: `stacks/notes.py:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceEntry:
    """One CloudFormation resource under the construct that made it."""

    logical_id: LogicalId
    path: ConstructPath
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetEntry:
    """A file to put into the bootstrap bucket before its stack is deployed.

    `packaging` is CDK's: `file` sends `source` as it is, `zip` zips the directory. `bundle` is ours: the zip of the
    function source in `bundle`, or the layer of what `packages` says, built by `skykite.bundle` when it is not in the
    bucket yet. `bucket` may hold `${AWS::AccountId}`-like placeholders.
    """

    key: str
    bucket: str
    packaging: Literal["file", "zip", "bundle"]
    source: str  # relative to the assembly directory; for `bundle`, where the built zip goes
    bundle: BundleEntry | None = None
    packages: PackagesEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageOptions:
    """Which of the packages that an import root declares its functions get: `extras` and `groups` besides what is
    always there, `without` some that are there anyway, or that are not used; with `bytecode` compiled ahead."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    bytecode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesEntry:
    """The third-party packages of an import root, for the layer that its functions share."""

    import_root: str  # relative to the project root, `.` for the root itself
    runtime: str
    architecture: Literal["x86_64", "arm64"]
    options: PackageOptions = PackageOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFile:
    """A file or folder that goes into a function's zip beside what its import root holds."""

    source: str  # relative to the project root
    to: str  # relative to the top of the zip; empty for the top itself


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleEntry:
    """What goes into a function's zip: the import root but for what `exclude` matches, the user's own packages that are
    elsewhere, and copied files; for which runtime its packages are resolved, if they are not `layered`, in a layer of
    their own; and the commands that have the last word on the files."""

    import_root: str  # relative to the project root, `.` for the root itself
    runtime: str
    architecture: Literal["x86_64", "arm64"]
    copied: tuple[CopiedFile, ...] = ()
    after_build: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()  # globs, relative to the import root
    packages: PackageOptions = PackageOptions()
    layered: bool = False
    local: tuple[str, ...] = ()  # folders of packages, relative to the project root
    kind: FunctionKind = "python"
    executable: ExecutableBuild | None = None
    node: NodeBuild | None = None

    @property
    def third_party(self) -> PackagesEntry:
        """The packages it needs besides."""
        return PackagesEntry(
            import_root=self.import_root,
            runtime=self.runtime,
            architecture=self.architecture,
            options=self.packages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """A container image to build and push before its stack is deployed. `source` is the folder of its context, relative
    to the assembly directory; `dockerfile` is relative to it. `repository` may hold placeholders, as buckets do."""

    repository: str
    tag: str
    source: str
    dockerfile: str | None = None
    build_args: dict[str, str] = field(default_factory=dict)
    target: str | None = None
    platform: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackEntry:
    """One CloudFormation stack. `dependencies` are deployed before it."""

    name: StackName
    path: ConstructPath
    template: str  # file name inside the assembly directory
    dependencies: tuple[StackName, ...] = ()
    assets: tuple[AssetEntry, ...] = ()
    images: tuple[ImageEntry, ...] = ()
    resources: tuple[ResourceEntry, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEntry:
    """A layer of a function. `name` is its construct's path or its ARN; `source` where its files are in the assembly
    directory, a folder or a zip, if they are part of the app."""

    name: str
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionEntry:
    """One Lambda function, as the user defined it, whatever a live one is deployed with. `handler` and `import_root`
    are `None` for functions made by plain CDK: those always run as deployed. `code` alone is what it is deployed with:
    a folder or a zip in the assembly directory, if it is part of the app."""

    id: FunctionId
    stack: StackName
    logical_id: LogicalId
    runtime: str
    memory_mb: int
    timeout_s: int
    architecture: Literal["x86_64", "arm64"]
    live: bool
    handler: str | None = None  # `functions/notes.get`, relative to the project root
    import_root: str | None = None  # relative to the project root, `.` for the root itself
    copied: tuple[CopiedFile, ...] = ()
    code: str | None = None
    layers: tuple[LayerEntry, ...] = ()
    vpc: bool = False
    location: SourceLocation | None = None
    kind: FunctionKind = "python"
    executable: ExecutableBuild | None = None
    packages: PackageOptions = PackageOptions()
    node: NodeBuild | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The `CorsConfiguration` of an HTTP API, field for field."""

    allow_credentials: bool = False
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEntry:
    """One route of an HTTP API: `GET /notes/{id}`, `ANY /{proxy+}` or `$default`."""

    key: str
    function: FunctionId
    payload_format: Literal["1.0", "2.0"] = "2.0"
    timeout_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedRoute:
    """A route of an HTTP API that the local gateway cannot answer as AWS would. `reason` says why: `it asks for …`."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedApi:
    """Something that answers HTTP or WebSockets on AWS and is not served locally at all."""

    path: ConstructPath
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApiEntry:
    """One HTTP API, read from the templates, so that APIs made by plain CDK are served too."""

    path: ConstructPath
    stack: StackName
    logical_id: LogicalId
    name: str
    stage: str = "$default"
    cors: Cors | None = None
    routes: tuple[RouteEntry, ...] = ()
    unserved: tuple[UnservedRoute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEntry:
    """One resource that code knows as `resource.<name>`. `attributes` are what it sees of it, with their Python types;
    `functions` are those that are linked to it."""

    name: str
    type: str
    path: ConstructPath
    attributes: dict[str, str] = field(default_factory=dict)
    functions: tuple[FunctionId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEntry:
    """A secret or a parameter that the stacks name; its value is nobody's here. One of them is `required` if functions
    are linked to it that have nothing to go by without a value."""

    name: str
    path: ConstructPath
    kind: Literal["secret", "parameter"]
    functions: tuple[FunctionId, ...] = ()
    location: SourceLocation | None = None

    @property
    def required(self) -> bool:
        return self.kind == "secret" and bool(self.functions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthNotice:
    """Something about the stacks that a user should know and nothing fails on, in the words of a `Notice`."""

    notice: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything after synth starts here."""

    version: int
    app: AppName
    stage: StageName
    region: str
    mode: Mode
    stacks: tuple[StackEntry, ...]
    functions: tuple[FunctionEntry, ...] = ()
    http_apis: tuple[HttpApiEntry, ...] = ()
    unserved_apis: tuple[UnservedApi, ...] = ()
    live_credentials: LiveCredentials = "role"
    links: tuple[LinkEntry, ...] = ()
    secrets: tuple[SecretEntry, ...] = ()
    notices: tuple[SynthNotice, ...] = ()
    made: tuple[str, ...] = ()  # files and folders that hooks changed meanwhile, relative to the project
    lines: dict[ConstructPath, SourceLocation] = field(default_factory=dict)  # where stacks and our constructs are made

    def line_of(self, path: str) -> SourceLocation | None:
        """Where the user's program made this construct, or else the nearest one around it."""
        while path:
            found = self.lines.get(ConstructPath(path))
            if found is not None:
                return found
            path = path.rpartition("/")[0]
        return None

    def function(self, id: FunctionId) -> FunctionEntry:
        """Raises KeyError if there is none of that id."""
        for entry in self.functions:
            if entry.id == id:
                return entry
        raise KeyError(id)


def encode_manifest(manifest: Manifest) -> bytes:
    """Stable, readable JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def decode_manifest(data: bytes, *, source: str) -> Manifest:
    """Parse what `encode_manifest` wrote. `source` is the file's name, for the complaint."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise SkykiteError(
            "manifest-invalid",
            f"`{source}` is not a Skykite manifest: {error}",
            hint="run `kite synth` to write it again",
            blame="skykite",
        ) from error
    if manifest.version != MANIFEST_VERSION:
        raise SkykiteError(
            "manifest-version",
            f"`{source}` has version {manifest.version}; this Skykite reads version {MANIFEST_VERSION}",
            hint="run `kite synth` to write it again",
        )
    return manifest
