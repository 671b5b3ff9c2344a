"""What a `Function` may be told: its props checked, with defaults filled in, and how defaults and own props merge.

In: the keyword arguments a user gave. Out: `FunctionSettings`, or a PropProblem. Pure: no CDK object is made, and none
is asked for more than whether it is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast, get_args

import aws_cdk

from skykite.constructs.props import (
    BuildProps,
    CopiedFileProps,
    FunctionProps,
    HookProps,
    LogRetention,
    PackageProps,
    PropProblem,
    check_choice,
    check_known,
    check_permissions,
    check_type,
    shown,
)
from skykite.constructs.quantities import read_seconds
from skykite.constructs.variables import check_environment
from skykite.model.manifest import CopiedFile, PackageOptions
from skykite.model.packages import normalized
from skykite.model.runtimes import EXECUTABLE_RUNTIMES, NODE_RUNTIMES, PYTHON_RUNTIMES

RUNTIMES: Final = (*PYTHON_RUNTIMES, *NODE_RUNTIMES, *EXECUTABLE_RUNTIMES)
ARCHITECTURES: Final = ("x86_64", "arm64")
TRACINGS: Final = ("active", "pass_through", "disabled")
LOG_FORMATS: Final = ("text", "json")
DEFAULTS: Final[Mapping[str, Any]] = {
    "memory_size": 1024,
    "timeout": 10,
    "architecture": "x86_64",
    "live": True,
    "tracing": "disabled",
    "log_format": "text",
}
LAYERS_LIMIT: Final = 5
_LAYER: Final = re.compile(
    r"arn:[a-zA-Z0-9-]+:lambda:([a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+:\d+|::awslayer:[a-zA-Z0-9-_]+)"
)
_ADDING_UP: Final = ("permissions", "link")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """Checked props, with defaults filled in. Times are seconds, sizes MB."""

    memory_size: int
    timeout: int
    architecture: str
    live: bool
    tracing: str
    log_format: str
    environment: Mapping[str, str] = field(default_factory=dict)
    permissions: Any = ()
    link: Sequence[Any] = ()
    description: str | None = None
    layers: Sequence[Any] = ()
    vpc: Any = None
    vpc_subnets: Any = None
    security_groups: Sequence[Any] = ()
    ephemeral_storage: int | None = None
    reserved_concurrency: int | None = None
    provisioned_concurrency: int | None = None
    on_success: Any = None
    on_failure: Any = None
    dead_letter_queue: Any = None
    retry_attempts: int | None = None
    max_event_age: int | None = None
    log_retention: Any = None
    copy_files: tuple[CopiedFile, ...] = ()
    before_build: tuple[str, ...] = ()
    after_build: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    packages: PackageOptions = field(default_factory=PackageOptions)
    layered: bool = True
    build: Mapping[str, Any] | None = None
    image: Any = None
    runtime: str | None = None
    node: Mapping[str, Any] = field(default_factory=dict)

    @property
    def executable(self) -> bool:
        """Whether its handler is a folder with an executable, or what becomes one."""
        return self.runtime in EXECUTABLE_RUNTIMES


def read_function_props(given: Mapping[str, Any], *, within: str = "") -> FunctionSettings:
    """Check props and fill in defaults. Pure. Raises PropProblem."""
    check_known(given, tuple(FunctionProps.__annotations__), within=within)
    props = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    if "runtime" in props:
        check_choice("runtime", props["runtime"], RUNTIMES)
    check_choice("architecture", props["architecture"], ARCHITECTURES)
    check_choice("tracing", props["tracing"], TRACINGS)
    check_choice("log_format", props["log_format"], LOG_FORMATS)
    check_type("live", props["live"], bool, "True or False")
    check_environment(props.get("environment", {}))
    read: dict[str, Any] = _read_hooks(props.pop("hooks", {}))
    _check_lists(props)
    _check_description(props.get("description"))
    _check_vpc(props)
    read |= {
        "memory_size": _number(props["memory_size"], "memory_size", 128, 10240, "MB"),
        "timeout": read_seconds("timeout", props["timeout"], 1, 900, service="Lambda"),
        "ephemeral_storage": _megabytes(props.get("ephemeral_storage"), "ephemeral_storage", 512, 10240),
        "retry_attempts": _number(props.get("retry_attempts"), "retry_attempts", 0, 2, "retries"),
        "max_event_age": read_seconds("max_event_age", props.get("max_event_age"), 60, 21600, service="Lambda"),
    }
    _check_concurrency(props)
    for name in ("on_success", "on_failure"):
        _check_construct(name, props.get(name), "a queue, topic, event bus or function")
    if not isinstance(props.get("dead_letter_queue"), bool | None):
        _check_construct("dead_letter_queue", props["dead_letter_queue"], "True, a queue or a topic")
    retention = props.get("log_retention")
    if isinstance(retention, str):
        check_choice("log_retention", retention, get_args(LogRetention))
    elif retention is not None and type(retention).__name__ != "RetentionDays":
        raise PropProblem(
            "prop-type",
            f"was given log_retention={shown(retention)}, which is neither a name such as `one_month` nor a "
            "`RetentionDays`",
        )
    read["copy_files"] = _read_copied(props.get("copy_files", ()))
    read["exclude"] = _names("exclude", props.get("exclude", ()), "globs such as `data/*.csv`")
    read["packages"], read["layered"] = _read_packages(props.get("packages", {}))
    _check_build(props)
    return FunctionSettings(**{**props, **read})


def _check_build(props: Mapping[str, Any]) -> None:
    build = props.get("build")
    if build is None:
        return
    check_type("build", build, Mapping, 'a dict such as {"command": "make", "output": "bootstrap"}')
    check_known(build, tuple(BuildProps.__annotations__), within="`build`")
    for name in ("command", "output", "local_command", "local_output"):
        if build.get(name) is not None and (not isinstance(build[name], str) or not build[name].strip()):
            raise PropProblem("prop-type", f'was given build["{name}"]={shown(build[name])}, which is no text')
    _names('build["inputs"]', build.get("inputs", ()), "files and folders of the project")
    if not build.get("command"):
        raise PropProblem(
            "prop-missing", "has a `build` without `command`", hint="Go and Rust need no `build`; others say how"
        )


def merge_function_props(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults under a function's own props: `environment` merges, `permissions` and `link` add up (`"*"` wins),
    anything else of its own replaces the default. Pure."""
    merged = {**defaults, **own}
    if "environment" in defaults and "environment" in own:
        merged["environment"] = {**defaults["environment"], **own["environment"]}
    for name in _ADDING_UP:
        if name in defaults and name in own:
            both = (defaults[name], own[name])
            merged[name] = "*" if "*" in both else [item for part in both for item in part]
    return merged


def _check_lists(props: Mapping[str, Any]) -> None:
    check_permissions(props.get("permissions", ()))
    link = props.get("link", ())
    if not _is_list(link):
        raise PropProblem("prop-type", f"was given link={shown(link)}, which is not a list of constructs")
    layers = props.get("layers", ())
    if not _is_list(layers):
        raise PropProblem(
            "prop-type", f"was given layers={shown(layers)}, which is not a list of ARNs and layer versions"
        )
    if len(layers) > LAYERS_LIMIT:
        raise PropProblem("prop-value", f"has {len(layers)} layers; Lambda takes {LAYERS_LIMIT}")
    for layer in layers:
        if isinstance(layer, str) and not _LAYER.fullmatch(layer) and not aws_cdk.Token.is_unresolved(layer):
            raise PropProblem(
                "layer-arn",
                f"has the layer {shown(layer)}, which is not the ARN of a layer's version",
                hint="write arn:aws:lambda:<region>:<account>:layer:<name>:<version>, or make an "
                '`aws_lambda.LayerVersion` of a folder with `Code.from_asset("…")`',
            )
        if not isinstance(layer, str):
            _check_construct("layers", layer, "the ARN of a layer's version or a layer")


def _check_description(description: object) -> None:
    if description is not None:
        check_type("description", description, str, "a string")
        assert isinstance(description, str)
        if len(description) > 256:
            raise PropProblem("prop-value", f"has a description of {len(description)} characters; Lambda takes 256")


def _check_vpc(props: Mapping[str, Any]) -> None:
    _check_construct("vpc", props.get("vpc"), "a VPC")
    for name in ("vpc_subnets", "security_groups"):
        if name in props and "vpc" not in props:
            raise PropProblem("props-contradict", f"has `{name}` and no `vpc`", hint="say which VPC they are in: vpc=…")
    if not _is_list(props.get("security_groups", ())):
        raise PropProblem(
            "prop-type",
            f"was given security_groups={shown(props['security_groups'])}, which is not a list of security groups",
        )


def _check_concurrency(props: Mapping[str, Any]) -> None:
    reserved = _number(props.get("reserved_concurrency"), "reserved_concurrency", 0, None, "")
    provisioned = _number(props.get("provisioned_concurrency"), "provisioned_concurrency", 1, None, "")
    if reserved is not None and provisioned is not None and provisioned > reserved:
        raise PropProblem(
            "props-contradict",
            f"has provisioned_concurrency=`{provisioned}`, more than its reserved_concurrency=`{reserved}`",
            hint="what is provisioned counts to what is reserved: reserve as many or more",
        )


def _check_construct(name: str, value: object, words: str) -> None:
    if value is not None and not hasattr(value, "node"):
        raise PropProblem("prop-type", f"was given {name}={shown(value)}, which is not {words}")


def _read_hooks(given: object) -> dict[str, tuple[str, ...]]:
    check_type("hooks", given, Mapping, 'a dict such as {"before_build": "make schema"}')
    assert isinstance(given, Mapping)
    check_known(given, tuple(HookProps.__annotations__), within="`hooks`")
    found = {}
    for name, value in given.items():
        commands = (value,) if isinstance(value, str) else value
        if not _is_list(commands) or not all(isinstance(one, str) and one.strip() for one in commands):
            raise PropProblem(
                "prop-type", f"was given hooks[{name!r}]={shown(value)}, which is not a command or a list of commands"
            )
        found[str(name)] = tuple(commands)
    return found


def _read_copied(given: object) -> tuple[CopiedFile, ...]:
    if not _is_list(given):
        raise PropProblem(
            "prop-type",
            f"was given copy_files={shown(given)}, which is not a list",
            hint=f"write copy_files=[{given!r}]" if isinstance(given, str) else None,
        )
    assert isinstance(given, Sequence)
    found = []
    for one in given:
        entry = {"from": one} if isinstance(one, str) else one
        check_type("copy_files", entry, Mapping, 'a path or a dict such as {"from": "data/words.txt", "to": "words"}')
        check_known(entry, tuple(CopiedFileProps.__annotations__), within="`copy_files`")
        source, to = entry.get("from"), entry.get("to", entry.get("from"))
        for name, path in (("from", source), ("to", to)):
            parts = path.replace("\\", "/").split("/") if isinstance(path, str) else []
            if not isinstance(path, str) or not path or ".." in parts or path.startswith("/") or ":" in parts[0]:
                raise PropProblem(
                    "copy-path",
                    f"has {shown(path)} as `{name}` in `copy_files`",
                    hint="`from` is a path in the folder of kite.toml, `to` one in the function's zip; neither leaves "
                    "it",
                )
        assert isinstance(source, str)
        assert isinstance(to, str)
        found.append(CopiedFile(source=_tidy(source), to=_tidy(to)))
    return tuple(found)


def _read_packages(given: object) -> tuple[PackageOptions, bool]:
    check_type("packages", given, Mapping, 'a dict such as {"extras": ["excel"]}')
    assert isinstance(given, Mapping)
    check_known(given, tuple(PackageProps.__annotations__), within="`packages`")
    for name in ("bytecode", "layer"):
        check_type(f"packages[{name!r}]", given.get(name, False), bool, "True or False")
    listed = {
        name: _names(f"packages[{name!r}]", given.get(name, ()), "names", normal=normalized)
        for name in ("extras", "groups", "without")
    }
    return PackageOptions(**listed, bytecode=given.get("bytecode", False)), given.get("layer", True)


def _names(
    prop: str, given: object, words: str, *, normal: Callable[[str], str] = lambda name: name
) -> tuple[str, ...]:
    """Sorted, each once."""
    if not _is_list(given) or not all(isinstance(one, str) and one.strip() for one in cast("Sequence[Any]", given)):
        raise PropProblem(
            "prop-type",
            f"was given {prop}={shown(given)}, which is not a list of {words}",
            hint=f"write [{given!r}]" if isinstance(given, str) else None,
        )
    return tuple(sorted({normal(one.strip()) for one in cast("Sequence[str]", given)}))


def _tidy(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _number(value: Any, name: str, low: int, high: int | None, unit: str) -> int | None:
    if value is None:
        return None
    check_type(name, value, int, f"a whole number{' of MB' if unit == 'MB' else ''}")
    if value < low or (high is not None and value > high):
        takes = f"Lambda takes {low} to {high} {unit}" if high is not None else f"Lambda takes {low} and more"
        raise PropProblem("prop-value", f"was given {name}=`{value}`", hint=takes)
    return int(value)


def _megabytes(value: Any, name: str, low: int, high: int) -> int | None:
    if isinstance(value, aws_cdk.Size):
        value = int(value.to_mebibytes())
    if value is not None:
        check_type(name, value, int, "a whole number of MB, nor an `aws_cdk.Size`")
    return _number(value, name, low, high, "MB")
