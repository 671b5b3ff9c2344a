"""The props of the constructs, as types for editors, and the check that says at once what is wrong with them.

In: the keyword arguments a user gave. Out: nothing, or a `PropProblem`. Pure; `blame` adds the user's line.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from aws_cdk import Duration, RemovalPolicy, Size
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from aws_cdk.aws_iam import PolicyStatement
    from constructs import IConstruct

    from skykite.constructs.function import Function
    from skykite.constructs.props_sources import StreamConsumer

Runtime = Literal[
    "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14",
    "nodejs20.x", "nodejs22.x", "nodejs24.x",
    "provided.al2023", "provided.al2",
]  # fmt: skip
Architecture = Literal["x86_64", "arm64"]
FieldType = Literal["string", "number", "binary"]
StreamView = Literal["new-image", "old-image", "new-and-old-images", "keys-only"]
LogRetention = Literal[
    "one_day", "three_days", "five_days", "one_week", "two_weeks", "one_month", "two_months", "three_months",
    "four_months", "five_months", "six_months", "one_year", "thirteen_months", "eighteen_months", "two_years",
    "three_years", "five_years", "six_years", "seven_years", "eight_years", "nine_years", "ten_years", "infinite",
]  # fmt: skip
Permission = Union[str, "PolicyStatement", "IConstruct", tuple["IConstruct", str]]
Permissions = Literal["*"] | Sequence[Permission]
"""`"*"`, or a list of: an action (`"s3:GetObject"`), a construct, `(construct, "grant_read_data")`, a statement."""


# By keywords, since `from` is one of them.
CopiedFileProps = TypedDict("CopiedFileProps", {"from": str, "to": str}, total=False)
"""A file or folder of the project, `from` the folder of kite.toml on, and where in the function's zip it goes."""


class HookProps(TypedDict, total=False):
    """Commands of the shell, run in the folder of kite.toml; see `Function`."""

    before_build: str | Sequence[str]
    after_build: str | Sequence[str]


class PackageProps(TypedDict, total=False):
    """Which packages a function gets of those its import root declares; see `Function`."""

    extras: Sequence[str]
    groups: Sequence[str]
    without: Sequence[str]
    bytecode: bool
    layer: bool


class NodeProps(TypedDict, total=False):
    """How a function in TypeScript or JavaScript is bundled; the names are esbuild's. See `Function`."""

    format: Literal["esm", "cjs"]
    external: Sequence[str]
    install: Sequence[str]
    minify: bool
    sourcemap: bool
    keep_names: bool
    define: Mapping[str, str]
    loader: Mapping[str, str]
    banner: str
    tsconfig: str


class BuildProps(TypedDict, total=False):
    """How an executable is made; see `Function`."""

    command: str
    output: str
    local_command: str
    local_output: str
    inputs: Sequence[str]


class ImageProps(TypedDict, total=False):
    """A container image: of a folder with a Dockerfile, or one in ECR by its URI; see `Function`."""

    directory: str
    dockerfile: str
    build_args: Mapping[str, str]
    target: str
    uri: str


class FunctionProps(TypedDict, total=False):
    """What a `Function` takes beside its handler. Units and limits are Lambda's."""

    runtime: Runtime  # default "python3.13", or "nodejs24.x" for TypeScript and JavaScript
    memory_size: int  # MB, 128–10240; default 1024
    timeout: int | Duration  # seconds, 1–900; default 10
    environment: Mapping[str, str]
    permissions: Permissions
    link: Sequence[IConstruct]
    architecture: Architecture  # default "x86_64"
    live: bool  # default True; False keeps the function deployed while developing
    description: str
    layers: Sequence[str | lambda_.ILayerVersion]  # ARNs or CDK layers, at most 5
    vpc: ec2.IVpc
    vpc_subnets: ec2.SubnetSelection | Mapping[str, Any]
    security_groups: Sequence[ec2.ISecurityGroup]
    ephemeral_storage: int | Size  # MB of /tmp, 512–10240; default 512
    reserved_concurrency: int
    provisioned_concurrency: int
    on_success: IConstruct  # a queue, topic, event bus or function
    on_failure: IConstruct
    dead_letter_queue: bool | IConstruct  # True makes a queue
    retry_attempts: int  # 0–2; default 2
    max_event_age: int | Duration  # seconds, 60–21600; default 21600
    tracing: Literal["active", "pass_through", "disabled"]  # default "disabled"
    log_retention: LogRetention | logs.RetentionDays  # default "one_month", "one_year" in production
    log_format: Literal["text", "json"]  # default "text"
    copy_files: Sequence[str | CopiedFileProps]
    exclude: Sequence[str]  # globs, relative to the import root
    packages: PackageProps
    node: NodeProps
    hooks: HookProps
    build: BuildProps  # of an executable
    image: str | ImageProps  # instead of a handler


class ConsumerFunctionProps(FunctionProps, total=False):
    """What runs for a route, a message, an event, as a dict: a `Function`'s props and its handler."""

    handler: str


Consumer = Union[str, ConsumerFunctionProps, "Function", "lambda_.IFunction"]
"""What runs: a handler, a dict with its `handler`, a `Function`, a CDK Lambda function."""


class FunctionDefaults(TypedDict, total=False):
    """What all functions that a construct makes share. `environment` merges, `permissions` and `link` add up, anything
    else of a function's own replaces the default."""

    function: FunctionProps


class ScriptProps(TypedDict, total=False):
    """What a `Script` takes."""

    on_create: Consumer
    on_update: Consumer
    on_delete: Consumer
    params: Mapping[str, Any]
    version: str
    defaults: FunctionDefaults


class CorsProps(TypedDict, total=False):
    """An HTTP API's CORS configuration, in API Gateway's words."""

    allow_credentials: bool
    allow_headers: Sequence[str]
    allow_methods: Sequence[str]
    allow_origins: Sequence[str]
    expose_headers: Sequence[str]
    max_age: int | Duration  # seconds


class ApiProps(TypedDict, total=False):
    """What an `Api` takes."""

    routes: Mapping[str, Consumer]
    defaults: FunctionDefaults
    cors: bool | CorsProps  # default True: any origin
    description: str


class PrimaryIndex(TypedDict, total=False):
    """A table's primary key."""

    partition_key: str
    sort_key: str


class GlobalIndex(TypedDict, total=False):
    """A global secondary index. `projection` is "all" (default), "keys_only", or the attributes to include."""

    partition_key: str
    sort_key: str
    projection: Literal["all", "keys_only"] | Sequence[str]


class LocalIndex(TypedDict, total=False):
    """A local secondary index: the table's partition key under another sort key."""

    sort_key: str
    projection: Literal["all", "keys_only"] | Sequence[str]


class TableProps(TypedDict, total=False):
    """What a `Table` takes."""

    fields: Mapping[str, FieldType]
    primary_index: PrimaryIndex
    global_indexes: Mapping[str, GlobalIndex]
    local_indexes: Mapping[str, LocalIndex]
    time_to_live: str
    stream: bool | StreamView
    consumers: Mapping[str, StreamConsumer]
    defaults: FunctionDefaults
    removal_policy: Literal["retain", "destroy"] | RemovalPolicy
    existing: str | dynamodb.ITable


class PropProblem(Exception):  # noqa: N818  (it becomes a SkykiteError as soon as the construct's path is known)
    """One thing wrong with one prop. `message` continues “<construct> …”."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, link: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.link = link


def check_known(props: Mapping[str, Any], known: Sequence[str], *, within: str = "") -> None:
    """Refuse keywords nobody reads. `within` says which dict: `defaults["function"]`."""
    for name in props:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            place = f" in {within}" if within else ""
            raise PropProblem(
                "prop-unknown",
                f"was given `{name}`{place}, which it does not know",
                hint=f"did you mean `{near[0]}`?" if near else f"it takes {listed(known)}",
            )


def check_type(name: str, value: object, kind: type | tuple[type, ...], words: str) -> None:
    """`words` says what is wanted: “a string”. A bool is never taken for a number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise PropProblem("prop-type", f"was given {name}={shown(value)}, which is not {words}")


def read_flag(name: str, value: object, *, default: bool) -> bool:
    """True or False, or the default where nothing was given."""
    if value is None:
        return default
    check_type(name, value, bool, "True or False")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"did you mean `{near[0]}`? It is one of" if near else "it is one of"
        raise PropProblem("prop-value", f"was given {name}={shown(value)}", hint=f"{hint} {listed(choices)}")


def check_strings(name: str, value: object, words: str) -> tuple[str, ...]:
    """A list of strings, and not one string by mistake."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise PropProblem("prop-type", f"was given {name}={shown(value)}, which is not {words}")
    return tuple(value)


def check_permissions(value: object) -> None:
    """Whether it is of the type `Permissions`, as far as that tells without a grantee."""
    if value != "*" and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise PropProblem(
            "prop-type",
            f"was given permissions={shown(value)}, which is not a list",
            hint=f"write permissions=[{value!r}]" if isinstance(value, str) else 'give a list, or "*"',
        )


def shown(value: object) -> str:
    """A value as the user wrote it, or nearly, in backticks; of a construct its path."""
    text = str(value.node.path) if hasattr(value, "node") else repr(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
