"""The reference pages of the constructs: what their docstrings say, and what making the example there really makes.

In: the public constructs. Out: a page by file name. I/O: synthesizes one app, in a folder for temporary files; each
construct's example is a stack of it. So a page cannot show an example that does not run, nor a permission that is not
granted.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

CONSTRUCTS: Final = (
    "Api", "Bucket", "Cron", "EventBus", "Function", "KinesisStream", "Linkable", "Parameter", "Queue", "Script",
    "Secret", "Table", "Topic",
)  # fmt: skip
ROOTS: Final = ("App", "Stack")
_GIVEN: Final[Mapping[str, str]] = {
    "EventBus": 'stock_queue = Queue(given, "Stock")',
    "Function": 'orders = Queue(given, "Orders")',
    "Linkable": 'from aws_cdk import aws_opensearchservice as opensearch\ndomain = opensearch.Domain(given, "Domain", '
    "version=opensearch.EngineVersion.OPENSEARCH_2_19)",
    "Script": 'notes = Table(given, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})',
    "Topic": 'stock = Queue(given, "Stock")',
}
"""What an example takes for granted; made in another stack, `given`."""
_HANDLER: Final = re.compile(r'"([\w/]+)\.(\w+)"')
_EXAMPLE: Final = re.compile(r"```python\n(.*?)```", re.DOTALL)
_EXPORT: Final = re.compile(r"FnGetAtt(\w+?)[0-9A-F]{8}(\w+?)[0-9A-F]{8}$")
_LINKED: Final = "LinkedFromTheReference"
_NOT_SHOWN: Final = frozenset({"cdk_resource", "grant_to", "link_attributes", "link_properties", "title"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Of an example. `types` are CloudFormation's, `attributes` what `resource.<id>` offers, `statements` what a
    function may do that is linked to it."""

    types: Mapping[str, int]
    id: str
    attributes: tuple[str, ...]
    statements: tuple[Any, ...]


def constructs_pages() -> dict[str, str]:
    """By file name, without the note that they are generated."""
    made = _make_examples()
    pages = {f"{_file(name)}.md": _page(name, made.get(name)) for name in (*ROOTS, *CONSTRUCTS)}
    return {"README.md": _index(), **pages}


def _file(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _class(name: str) -> Any:
    return getattr(importlib.import_module("skykite"), name)


def _index() -> str:
    lines = [
        "# Constructs\n",
        "All of `from skykite import …`. Each is a CDK construct, and stands beside any other.\n",
    ]
    for name in (*ROOTS, *CONSTRUCTS):
        summary = inspect.cleandoc(_class(name).__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        lines.append(f"- [`{name}`]({_file(name)}.md): {summary}")
    return "\n".join(lines) + "\n"


def _page(name: str, made: _Made | None) -> str:
    described = _class(name)
    parts = [f"# {name}\n", f"{inspect.cleandoc(described.__doc__ or '')}\n"]
    if made is not None and made.types:
        parts += ["## What the example makes\n", "| resource | how many |\n| --- | --- |"]
        parts += [f"| `{kind}` | {count} |" for kind, count in sorted(made.types.items())]
        parts.append("")
    elif made is not None:
        parts += ["## What the example makes\n", "No resource of CloudFormation.\n"]
    if made is not None and made.attributes:
        listed = ", ".join(f"`resource.{made.id}.{attribute}`" for attribute in made.attributes)
        parts += ["## What linking it gives\n", f"A function with `link=[…]` reads {listed}.\n"]
        if made.statements:
            text = "\n".join(json.dumps(statement, indent=2) for statement in made.statements)
            parts += ["Its role may do this, and no more:\n", f"```json\n{text}\n```\n"]
    parts.extend(_members(described))
    return "\n".join(parts)


def _members(described: type) -> Iterator[str]:
    """Public properties and methods that are Skykite's own."""
    found: dict[str, Any] = {}
    for base in reversed(described.__mro__):
        if base.__module__.startswith("skykite."):
            found |= {name: member for name, member in vars(base).items() if not name.startswith("_")}
    shown = {name: member for name, member in found.items() if _is_documented(name, member)}
    if shown:
        yield "## Members\n"
    for name, member in sorted(shown.items()):
        function = member.fget if isinstance(member, property) else member
        signature = "" if isinstance(member, property) else _signature(function)
        yield f"### `{name}{signature}`\n"
        yield f"{inspect.cleandoc(function.__doc__)}\n"


def _is_documented(name: str, member: Any) -> bool:
    function = member.fget if isinstance(member, property) else member
    return name not in _NOT_SHOWN and callable(function) and bool(function.__doc__)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)).replace("'", "")


@cache
def _make_examples() -> dict[str, _Made]:
    from skykite.synth.node import find_node

    os.environ.setdefault("JSII_NODE", str(find_node(os.environ)))
    os.environ.setdefault("CDK_VALIDATION", "false")
    examples = {name: _example(name) for name in CONSTRUCTS}
    with tempfile.TemporaryDirectory(prefix="kite-docs-") as folder:
        root = Path(folder).resolve()
        (root / "kite.toml").write_text('name = "shop"\nregion = "eu-west-1"\n', encoding="utf-8")
        _write_handlers(root, "\n".join(examples.values()))
        return _synthesize(root, examples)


def _example(name: str) -> str:
    found = _EXAMPLE.search(inspect.cleandoc(_class(name).__doc__ or ""))
    if found is None:
        raise LookupError(f"the docstring of `{name}` has no example")
    return textwrap.dedent(found[1])


def _write_handlers(root: Path, code: str) -> None:
    files: dict[Path, set[str]] = {root / "functions" / "linked.py": {"run"}}
    for path, function in _HANDLER.findall(code):
        if "/" in path:
            files.setdefault(root / f"{path}.py", set()).add(function)
    for file, functions in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"def {name}(event, context): ...\n" for name in sorted(functions)), encoding="utf-8")


def _synthesize(root: Path, examples: Mapping[str, str]) -> dict[str, _Made]:
    import skykite
    from skykite.model.synthesis import SYNTHESIS_VARIABLE, Synthesis, encode_synthesis

    synthesis = Synthesis(
        app="shop", stage="alice", region="eu-west-1", mode="deploy", project_root=str(root), main="stacks/app.py",
        outdir=str(root / "assembly"),
    )  # fmt: skip
    os.environ[SYNTHESIS_VARIABLE] = encode_synthesis(synthesis)
    try:
        app = skykite.App()
    finally:
        del os.environ[SYNTHESIS_VARIABLE]
    names = {name: getattr(skykite, name) for name in (*ROOTS, *CONSTRUCTS)}
    linked: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, code in examples.items():
        stack = skykite.Stack(app, name)
        scope = {**names, "self": stack}
        if name in _GIVEN:
            exec(_GIVEN[name], {**names, "given": skykite.Stack(app, f"{name}Given")}, scope)  # noqa: S102
        exec(code, scope)  # noqa: S102
        described = names[name]
        construct = next(one for one in stack.node.find_all() if type(one) is described)
        linked[name] = str(construct.node.id), _attributes(construct)
        if linked[name][1]:
            skykite.Function(stack, _LINKED, "functions/linked.run", link=[construct])
    directory = Path(app.synth().directory)
    return {name: _read(directory, name, *link) for name, link in linked.items()}


def _attributes(construct: Any) -> tuple[str, ...]:
    for method in ("link_attributes", "link_properties"):
        if hasattr(type(construct), method):
            return tuple(name for name in getattr(construct, method)() if name != "type")
    return ()


def _read(directory: Path, stack: str, id: str, attributes: tuple[str, ...]) -> _Made:
    file = next(directory.glob(f"*-{stack}.template.json"), directory / f"{stack}.template.json")
    resources = json.loads(file.read_text(encoding="utf-8"))["Resources"]
    paths = {name: resource.get("Metadata", {}).get("aws:cdk:path", "") for name, resource in resources.items()}
    ours = {name for name, path in paths.items() if path.startswith(f"{stack}/{_LINKED}/")}
    types = Counter(resource["Type"] for name, resource in resources.items() if name not in ours)
    statements = tuple(
        _readable(statement, paths)
        for name in ours
        if resources[name]["Type"] == "AWS::IAM::Policy"
        for statement in resources[name]["Properties"]["PolicyDocument"]["Statement"]
    )
    return _Made(types=types, id=id, attributes=attributes, statements=statements)


def _readable(value: Any, paths: Mapping[str, str]) -> Any:
    """References as `${Orders.Arn}`, with construct ids for logical ones."""
    match value:
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{_short(paths.get(name, name))}.{attribute}}}"
        case {"Ref": str(name)}:
            return f"${{{_short(paths.get(name, name))}}}"
        case {"Fn::ImportValue": str(name)} if found := _EXPORT.search(name):
            return f"${{{found[1]}.{found[2]}}}"
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(str(_readable(part, paths)) for part in parts)
        case dict():
            return {key: _readable(item, paths) for key, item in value.items()}
        case list():
            return [_readable(item, paths) for item in value]
        case _:
            return value


def _short(path: str) -> str:
    return re.sub(r"(/Resource)+$", "", path.partition("/")[2]) or path
