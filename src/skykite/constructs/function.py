"""`Function`: a Lambda function whose code is a file of the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack, cast

import aws_cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.builds import copied_files, packages_of, run_before_build
from skykite.constructs.code import cdk_runtime, code_of, code_of_live, layer_of
from skykite.constructs.executables import check_is_no_executable, locate_executable
from skykite.constructs.function_options import alias_of, async_options, function_options
from skykite.constructs.function_props import FunctionSettings, merge_function_props, read_function_props
from skykite.constructs.handlers import LocatedHandler, locate
from skykite.constructs.images import code_of_image, locate_image
from skykite.constructs.links import declare_links
from skykite.constructs.node_options import node_build
from skykite.constructs.permissions import grant
from skykite.constructs.program import DeclaredFunction, Program
from skykite.constructs.props import FunctionProps, PropProblem
from skykite.constructs.variables import check_variable
from skykite.model.executable import BOOTSTRAP
from skykite.model.manifest import BundleEntry
from skykite.model.names import FunctionId
from skykite.model.runtimes import DEFAULT_NODE, DEFAULT_PYTHON, kind_of

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_logs as logs
    from constructs import IConstruct


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCdk:
    """The CDK objects of a `Function`. `alias` is there with provisioned concurrency, `dead_letter_queue` where the
    function made one."""

    function: lambda_.Function
    role: iam.IRole
    log_group: logs.LogGroup
    alias: lambda_.Alias | None = None
    dead_letter_queue: Any = None


class Function(SkykiteConstruct):
    """A Lambda function running a function of the project, in Python, TypeScript or JavaScript.

    ```python
    Function(self, "Worker", "functions/worker.run", timeout=60, link=[orders])
    ```

    `handler` is `path/to/file.function`, relative to the project root; the file must exist and define it. The other
    arguments are `FunctionProps`:

    - `runtime`: `"python3.9"` to `"python3.14"`, default `"python3.13"`; for a file in TypeScript or JavaScript
      `"nodejs20.x"` to `"nodejs24.x"`, default `"nodejs24.x"`. With `"provided.al2023"` or `"provided.al2"` the handler
      is a folder, and what runs is an executable that speaks Lambda's Runtime API: the `bootstrap` in there, or what is
      built of the Go or Rust in there
    - `build`: of another executable: `command`, run in its folder, and `output`, the file or folder that it leaves,
      default `bootstrap`; `local_command` and `local_output` if your machine takes others; `inputs`, files and folders
      of the project that it is made of besides
    - `image`: instead of a handler, a container image: a folder of the project with a `Dockerfile`, or a dict with
      `directory`, `dockerfile`, `build_args` and `target`, or the URI of an image in ECR. `kite deploy` builds and
      pushes it with docker; in `kite dev` it runs as deployed, and in `kite dev --local` not at all
    - `memory_size`: MB, 128–10240; default 1024
    - `timeout`: seconds, 1–900, or an `aws_cdk.Duration`; default 10
    - `environment`: variables, strings to strings
    - `permissions`: `"*"`, or a list of actions (`"s3:GetObject"`), constructs, `(construct, "grant_read_data")`, and
      `PolicyStatement`s
    - `link`: constructs; each is granted and handed to the code as `skykite_lambda.resource.<its id>`
    - `architecture`: `"x86_64"` (default) or `"arm64"`
    - `live`: `False` keeps it deployed while others run on the developer's machine
    - `description`
    - `layers`: ARNs and CDK layers, at most 5. On your machine the Python folders of layers made from a folder or zip
      of the project are there; `kite dev` says which others are not
    - `vpc`, `vpc_subnets`, `security_groups`: where it runs. In `kite dev` its stub stays outside, since it has to
      reach AWS, and your machine is not in the VPC either
    - `ephemeral_storage`: MB of `/tmp`, 512–10240, or an `aws_cdk.Size`; default 512
    - `reserved_concurrency`: how many run at a time at most, kept free for it; 0 stops it
    - `provisioned_concurrency`: how many are kept ready. There is an alias `live` then, and whatever calls the function
      through `link`, a route or an event calls that. Not in `kite dev`, for functions that run on your machine
    - `on_success`, `on_failure`: where the outcomes of asynchronous invocations go: a queue, topic, bus or function
    - `dead_letter_queue`: `True` makes a queue for events it failed on; or a queue or topic
    - `retry_attempts`: 0–2, of asynchronous invocations; `max_event_age`: seconds, 60–21600, or a `Duration`
    - `tracing`: `"active"`, `"pass_through"` or `"disabled"`, the default: X-Ray costs per trace and widens the role.
      One line turns it on for all: `app.set_default_function_props(tracing="active")`
    - `log_retention`: `"one_day"` … `"infinite"`; default `"one_year"` in production, else `"one_month"`. The log group
      is the function's own and goes with it, except in production
    - `log_format`: `"text"` (default) or `"json"`
    - `copy_files`: files and folders of the project that go into the zip too: `"data"`, or
      `{"from": "shared/words.txt", "to": "words.txt"}`. On your machine they are found in the working directory, as
      on AWS
    - `exclude`: what stays out of the zip, as globs: `"data/*.csv"`, `"notebooks"`
    - `packages`: of the packages that the lock file or requirements of its import root declare, `extras` and `groups`
      that it needs besides, `without` those it does not; `"bytecode": True` has them compiled ahead, which starts
      faster and is larger. They are in a layer that functions share; with `"layer": False`, and where `layers` or
      `after_build` need it so, they are in its own zip
    - `node`: how a file in TypeScript or JavaScript is bundled, in esbuild's words: `format` (`"esm"` or `"cjs"`),
      `external`, `minify`, `sourcemap`, `keep_names`, `define`, `loader`, `banner`, `tsconfig`; `install` names
      packages that are installed beside the bundle, for the function's machine
    - `hooks`: `before_build`, commands run before code is looked at, also in `kite dev`, for instance to generate some;
      `after_build`, commands run on the files of the zip, in their folder

    Raises SkykiteError at once if any of it is wrong. https://docs.aws.amazon.com/lambda/latest/dg/
    """

    _change_handler = "set handler="  # how hints about it begin

    def __init__(self, scope: Construct, id: str, handler: str | None = None, **props: Unpack[FunctionProps]) -> None:
        super().__init__(scope, id, kind="function")
        program = self._kite_program
        with self._checking():
            read_function_props(cast("dict[str, Any]", props))  # what is wrong with defaults was said where they are
            settings = read_function_props(
                merge_function_props(program.defaults_of(self.path), cast("dict[str, Any]", props))
            )
            image = None
            if settings.image is not None:
                image = locate_image(settings.image, handler, cast("dict[str, Any]", props), program.root)
            elif handler is None:
                raise PropProblem(
                    "handler-missing", "has no handler", hint='add handler="path/to/file.function" to its arguments'
                )
            run_before_build(settings.before_build, program)
            located = _locate(handler, settings, program, self._change_handler)
            linked = declare_links(program, self.path, settings.link)
            live = handler is not None and settings.live and program.makes_live(self.path, handler)
            runtime = _runtime_of(located, settings.runtime, props.get("runtime"))
            bundle = BundleEntry(
                import_root=located.import_root,
                runtime=runtime,
                architecture=cast("Any", settings.architecture),
                copied=copied_files(settings.copy_files, program.root, located.import_root),
                after_build=settings.after_build,
                kind=located.kind,
                **_build_of(located, settings, program, live=live),
            )
            stub = live and program.synthesis.mode == "live"
            if image is not None:
                made = code_of_image(self, program, image, settings.architecture)
            else:
                made = code_of_live(self, program, program.synthesis.mode) if live else code_of(self, program, bundle)
            variables = {
                "KITE_APP": program.synthesis.app,
                "KITE_STAGE": program.synthesis.stage,
                **{name: aws_cdk.Stack.of(self).to_json_string(value) for name, value in linked.items()},
                **({"NODE_OPTIONS": "--enable-source-maps"} if bundle.node and bundle.node.sourcemap else {}),
                **settings.environment,
            }
            options = function_options(self, settings, program.synthesis, stub=stub)
            arguments = dict(options.arguments)
            if image is not None:
                arguments.pop("layers", None)  # of defaults
            if bundle.layered and not live:
                arguments["layers"] = [*arguments.get("layers", ()), layer_of(self, program, bundle.third_party)]
            provisioned = settings.provisioned_concurrency is not None and not live
            function = lambda_.Function(
                self,
                "Resource",
                runtime=made.cdk_runtime or cdk_runtime(made.runtime or runtime),
                handler=made.handler or located.deployed_handler,
                code=made.code,
                environment=variables,
                **arguments,
                **({} if provisioned else async_options(settings)),
            )
            self._function = function
            self._alias = alias_of(self, function, settings) if provisioned else None
            self._options = options
            self._cdk: FunctionCdk | None = None
            for permission in (*_as_list(settings.permissions), *settings.link):
                grant(self, permission)
        line = program.lines.get(self.path)
        program.functions[self.path] = DeclaredFunction(
            id=FunctionId(self.path),
            handler=handler,
            import_root=located.import_root,
            live=settings.live and image is None and (program.synthesis.mode == "deploy" or live),
            runtime=runtime,
            memory_mb=settings.memory_size,
            timeout_s=settings.timeout,
            bundle=bundle,
            kind=located.kind,
            location=line.relative_to(program.root) if line else None,
        )

    @property
    def cdk(self) -> FunctionCdk:
        """The CDK objects behind it."""
        if self._cdk is None:
            role = self._function.role
            if role is None:
                raise self.refuse("function-role", f"{self.title} has no role of its own")
            self._cdk = FunctionCdk(
                function=self._function,
                role=role,
                log_group=self._options.log_group,
                alias=self._alias,
                dead_letter_queue=self._options.dead_letter_queue,
            )
        return self._cdk

    @property
    def cdk_resource(self) -> Any:
        """What `(function, "grant_invoke")` asks."""
        return self.cdk_target

    @property
    def cdk_target(self) -> lambda_.IFunction:
        """What is to be invoked: the alias where instances are kept ready, else the function itself."""
        return self._alias or self._function

    @property
    def name(self) -> str:
        """What it is invoked by, a token until it is deployed."""
        return cast("str", self.cdk_target.function_name)

    @property
    def arn(self) -> str:
        return cast("str", self.cdk_target.function_arn)

    def link_properties(self) -> Mapping[str, str]:
        """What `resource.<id>` offers of it."""
        return {"type": "Function", "name": self.name, "arn": self.arn}

    def grant_to(self, grantee: iam.IGrantable) -> None:
        """Allow invoking it."""
        self.cdk_target.grant_invoke(grantee)

    def add_environment(self, name: str, value: str) -> None:
        """Set one more variable, for instance a queue's URL that is known only later."""
        with self._checking():
            check_variable(name, value)
            self._function.add_environment(name, value)

    def add_permissions(self, *permissions: Any) -> None:
        """Allow more; takes what `permissions` takes."""
        with self._checking():
            for permission in permissions:
                grant(self, permission)

    def add_link(self, *resources: IConstruct) -> None:
        """Link more resources, for instance one that is made after the function."""
        with self._checking():
            for name, value in declare_links(self._kite_program, self.path, resources).items():
                self._function.add_environment(name, aws_cdk.Stack.of(self).to_json_string(value))
            for resource in resources:
                grant(self, resource)


def _locate(handler: str | None, settings: FunctionSettings, program: Program, change: str) -> LocatedHandler:
    if handler is None:
        return LocatedHandler(import_root=".", deployed_handler="", file="", kind="image")
    if settings.executable:
        executable = locate_executable(handler, settings, program.root)
        return LocatedHandler(
            import_root=executable.import_root,
            deployed_handler=BOOTSTRAP,
            file=executable.import_root,
            kind="executable",
            executable=executable.build,
        )
    check_is_no_executable(settings)
    return locate(handler, program.root, change=change)


def _runtime_of(located: LocatedHandler, merged: str | None, own: str | None) -> str:
    """The one that is set, if it can run such a file. What others are made with by default is meant for theirs."""
    if located.kind == "image":
        return ""
    if merged is not None and kind_of(merged) == located.kind:
        return merged
    if own is not None:
        raise PropProblem(
            "runtime-differs",
            f"has runtime=`{own}` and its handler in `{located.file}`",
            hint="leave out `runtime`, or set one for such files",
        )
    return DEFAULT_NODE if located.kind == "node" else DEFAULT_PYTHON


def _build_of(located: LocatedHandler, settings: FunctionSettings, program: Program, *, live: bool) -> dict[str, Any]:
    """What a bundle says beyond where it is. Of Python nothing is read for one that runs on this machine."""
    if located.kind == "image":
        return {}
    if located.kind == "executable":
        return {"executable": located.executable}
    if located.kind == "node":
        entry = (program.root / located.file).relative_to(program.root / located.import_root).as_posix()
        return {"node": node_build(settings.node, entry, program.root / located.file, program.root)}
    return {"packages": settings.packages} if live else packages_of(settings, program, located.import_root)


def _as_list(permissions: Any) -> Sequence[Any]:
    return ("*",) if permissions == "*" else cast("Sequence[Any]", permissions)
