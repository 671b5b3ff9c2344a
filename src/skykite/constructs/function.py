"""`Function`: a Lambda function whose code is a file of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import aws_cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.blame import find_user_line
from skykite.constructs.code import code_of, code_of_live
from skykite.constructs.handlers import locate
from skykite.constructs.links import link_variable, link_variables
from skykite.constructs.permissions import grant
from skykite.constructs.program import DeclaredFunction
from skykite.constructs.props import FunctionProps, PropProblem, check_choice, check_known, check_type, shown
from skykite.model.live import STUB_VARIABLE
from skykite.model.manifest import BundleEntry
from skykite.model.names import FunctionId

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import IConstruct

RUNTIMES: Final = ("python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
ARCHITECTURES: Final = ("x86_64", "arm64")
STUB_MEMORY: Final = 512  # MB; with it comes the computing power that connects fast and passes 6 MB on
DEFAULTS: Final[Mapping[str, Any]] = {
    "runtime": "python3.13",
    "memory_size": 1024,
    "timeout": 10,
    "architecture": "x86_64",
    "live": True,
}

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_OWN_VARIABLES: Final = ("KITE_APP", "KITE_STAGE", STUB_VARIABLE)
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_VARIABLES_LIMIT: Final = 4096  # bytes, names and values as JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCdk:
    """The CDK objects of a `Function`."""

    function: lambda_.Function
    role: iam.IRole


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """Checked props, with defaults filled in."""

    runtime: str
    memory_size: int
    timeout: int
    architecture: str
    live: bool
    environment: Mapping[str, str] = field(default_factory=dict)
    permissions: Any = ()
    link: Sequence[IConstruct] = ()
    description: str | None = None


class Function(SkykiteConstruct):
    """A Lambda function running a Python function of the project.

    ```python
    Function(self, "Worker", "functions/worker.run", timeout=60, link=[orders])
    ```

    `handler` is `path/to/file.function`, relative to the project root; the file must exist and define it. The other
    arguments are `FunctionProps`:

    - `runtime`: `"python3.9"` to `"python3.14"`; default `"python3.13"`
    - `memory_size`: MB, 128–10240; default 1024
    - `timeout`: seconds, 1–900, or an `aws_cdk.Duration`; default 10
    - `environment`: variables, strings to strings
    - `permissions`: `"*"`, or a list of actions (`"s3:GetObject"`), constructs, `(construct, "grant_read_data")`, and
      `PolicyStatement`s
    - `link`: constructs; each is granted and handed to the code as `skykite_lambda.resource.<its id>`
    - `architecture`: `"x86_64"` (default) or `"arm64"`
    - `live`: `False` keeps it deployed while others run on the developer's machine
    - `description`

    Raises SkykiteError at once if any of it is wrong. https://docs.aws.amazon.com/lambda/latest/dg/
    """

    _change_handler = "set handler="  # how hints about it begin

    def __init__(self, scope: Construct, id: str, handler: str | None = None, **props: Unpack[FunctionProps]) -> None:
        super().__init__(scope, id, kind="function")
        program = self._kite_program
        with self._checking():
            settings = read_function_props(cast("dict[str, Any]", props))
            if handler is None:
                raise PropProblem(
                    "handler-missing", "has no handler", hint='add handler="path/to/file.function" to its arguments'
                )
            located = locate(handler, program.root, change=self._change_handler)
            linked = link_variables(settings.link)
            bundle = BundleEntry(
                import_root=located.import_root,
                runtime=settings.runtime,
                architecture=cast("Any", settings.architecture),
            )
            live = settings.live and program.makes_live(self.path, handler)
            stub = live and program.synthesis.mode == "live"
            made = code_of_live(self, program, program.synthesis.mode) if live else code_of(self, program, bundle)
            variables = {
                "KITE_APP": program.synthesis.app,
                "KITE_STAGE": program.synthesis.stage,
                **{name: aws_cdk.Stack.of(self).to_json_string(value) for name, value in linked.items()},
                **settings.environment,
            }
            function = lambda_.Function(
                self,
                "Resource",
                runtime=lambda_.Runtime(made.runtime or settings.runtime, lambda_.RuntimeFamily.PYTHON),
                handler=made.handler or located.deployed_handler,
                code=made.code,
                memory_size=max(settings.memory_size, STUB_MEMORY) if stub else settings.memory_size,
                timeout=aws_cdk.Duration.seconds(settings.timeout),
                architecture=lambda_.Architecture.ARM_64
                if settings.architecture == "arm64"
                else lambda_.Architecture.X86_64,
                environment=variables,
                description=settings.description,
            )
            self._function = function
            self._cdk: FunctionCdk | None = None
            for permission in (*_as_list(settings.permissions), *settings.link):
                grant(self, permission)
        line = find_user_line(program.root)
        program.functions[self.path] = DeclaredFunction(
            id=FunctionId(self.path),
            handler=handler,
            import_root=located.import_root,
            live=settings.live and (program.synthesis.mode == "deploy" or live),
            runtime=settings.runtime,
            memory_mb=settings.memory_size,
            timeout_s=settings.timeout,
            location=line.relative_to(program.root) if line else None,
        )

    @property
    def cdk(self) -> FunctionCdk:
        """The CDK objects behind it."""
        if self._cdk is None:
            role = self._function.role
            if role is None:
                raise self.refuse("function-role", f"{self.title} has no role of its own")
            self._cdk = FunctionCdk(function=self._function, role=role)
        return self._cdk

    @property
    def cdk_resource(self) -> Any:
        """What `(function, "grant_invoke")` asks."""
        return self._function

    @property
    def name(self) -> str:
        """The physical name, a token until it is deployed."""
        return cast("str", self._function.function_name)

    @property
    def arn(self) -> str:
        return cast("str", self._function.function_arn)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Function", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow invoking it."""
        self._function.grant_invoke(grantee)

    def add_environment(self, name: str, value: str) -> None:
        """Set one more variable, for instance a queue's URL that is known only later."""
        with self._checking():
            _check_variable(name, value)
            self._function.add_environment(name, value)

    def add_permissions(self, *permissions: Any) -> None:
        """Allow more; takes what `permissions` takes."""
        with self._checking():
            for permission in permissions:
                grant(self, permission)

    def add_link(self, *resources: IConstruct) -> None:
        """Link more resources, for instance one that is made after the function."""
        with self._checking():
            for name, value in link_variables(resources).items():
                self._function.add_environment(name, aws_cdk.Stack.of(self).to_json_string(value))
            for resource in resources:
                grant(self, resource)


def read_function_props(given: Mapping[str, Any], *, within: str = "") -> FunctionSettings:
    """Check props and fill in defaults. Pure. Raises PropProblem."""
    check_known(given, tuple(FunctionProps.__annotations__), within=within)
    props = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    check_choice("runtime", props["runtime"], RUNTIMES)
    check_choice("architecture", props["architecture"], ARCHITECTURES)
    check_type("live", props["live"], bool, "True or False")
    check_type("memory_size", props["memory_size"], int, "a whole number of MB")
    _check_range("memory_size", props["memory_size"], 128, 10240, "MB")
    timeout = props["timeout"]
    if isinstance(timeout, aws_cdk.Duration):
        timeout = int(timeout.to_seconds())
    check_type("timeout", timeout, int, "a whole number of seconds, nor an `aws_cdk.Duration`")
    _check_range("timeout", timeout, 1, 900, "seconds")
    environment = props.get("environment", {})
    check_type("environment", environment, Mapping, "a dict of strings")
    for name, value in environment.items():
        _check_variable(name, value)
    size = len(json.dumps(dict(environment)).encode())
    if size > _VARIABLES_LIMIT:
        raise PropProblem(
            "environment-too-large",
            f"has environment variables of {size} bytes; Lambda takes {_VARIABLES_LIMIT}",
            hint="keep large values in Parameter Store or in a file beside the handler",
        )
    permissions = props.get("permissions", ())
    if permissions != "*" and (isinstance(permissions, str) or not isinstance(permissions, Sequence)):
        raise PropProblem(
            "prop-type",
            f"was given permissions={shown(permissions)}, which is not a list",
            hint=f"write permissions=[{permissions!r}]" if isinstance(permissions, str) else 'give a list, or "*"',
        )
    link = props.get("link", ())
    if isinstance(link, str) or not isinstance(link, Sequence):
        raise PropProblem("prop-type", f"was given link={shown(link)}, which is not a list of constructs")
    description = props.get("description")
    if description is not None:
        check_type("description", description, str, "a string")
        if len(description) > 256:
            raise PropProblem("prop-value", f"has a description of {len(description)} characters; Lambda takes 256")
    return FunctionSettings(
        runtime=props["runtime"],
        memory_size=props["memory_size"],
        timeout=timeout,
        architecture=props["architecture"],
        live=props["live"],
        environment=environment,
        permissions=permissions,
        link=link,
        description=description,
    )


def merge_function_props(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A construct's defaults under a function's own props: `environment` merges, `permissions` and `link` add up (`"*"`
    wins), anything else of the function's own replaces the default. Pure."""
    merged = {**defaults, **own}
    if "environment" in defaults and "environment" in own:
        merged["environment"] = {**defaults["environment"], **own["environment"]}
    for name in ("permissions", "link"):
        if name in defaults and name in own:
            both = (defaults[name], own[name])
            merged[name] = "*" if "*" in both else [item for part in both for item in part]
    return merged


def _as_list(permissions: Any) -> Sequence[Any]:
    return ("*",) if permissions == "*" else cast("Sequence[Any]", permissions)


def _check_range(name: str, value: int, low: int, high: int, unit: str) -> None:
    if not low <= value <= high:
        raise PropProblem("prop-value", f"was given {name}=`{value}`", hint=f"Lambda takes {low} to {high} {unit}")


def _check_variable(name: object, value: object) -> None:
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        if name in RESERVED_VARIABLES:
            raise _reserved(name)
        raise PropProblem(
            "environment-name",
            f"has an environment variable named {shown(name)}, which Lambda refuses",
            hint="use letters, digits and underscores, starting with a letter, at least two characters",
        )
    if name in RESERVED_VARIABLES:
        raise _reserved(name)
    if name in _OWN_VARIABLES or name.startswith(link_variable("")):
        raise PropProblem(
            "environment-reserved",
            f"sets the environment variable `{name}`, which Skykite sets itself",
            hint="give it another name",
        )
    if not isinstance(value, str):
        raise PropProblem(
            "prop-type",
            f"sets the environment variable `{name}` to {shown(value)}, which is not a string",
            hint=f'write "{value}"' if isinstance(value, int | float) else None,
        )


def _reserved(name: object) -> PropProblem:
    return PropProblem(
        "environment-reserved",
        f"sets the environment variable `{name}`, which Lambda reserves for itself",
        hint="give it another name",
        link="https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
    )
