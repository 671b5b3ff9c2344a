"""The stub that tells editors and type checkers what `resource` holds in a project. Pure.

In: the links of a manifest. Out: the text of `typings/skykite_lambda/resource.pyi`, with names and types, without
values. Pyright looks into `typings` by itself, mypy where its `mypy_path` says so. An attribute that is not there is an
error to both, so a resource that nothing is linked to is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from skykite.model.manifest import LinkEntry

STUB_FOLDER: Final = "typings"
"""In the project's root; what pyright's `stubPath` is unless somebody changes it."""

STUB_FILES: Final = ("skykite_lambda/resource.pyi", "skykite_lambda/__init__.pyi")
MARK: Final = "# Written by `kite`"
"""How our files begin. Others of these names are somebody's own."""

_HEAD: Final = f"""\
{MARK} whenever it runs the stacks: what they link functions to. It holds no values; commit it if you like.

"""
_ABOUT: Final = '"""The resources that functions of this project are linked to."""\n\n'
_PACKAGE: Final = f"{MARK}, so that mypy finds `resource.pyi` beside it.\n"

_TYPES: Final = {
    "str": "_builtins.str",
    "int": "_builtins.int",
    "float": "_builtins.float",
    "bool": "_builtins.bool",
    "list": "_builtins.list[_typing.Any]",
    "dict": "_builtins.dict[_builtins.str, _typing.Any]",
    "None": "None",
}


def stub_files(links: Iterable[LinkEntry]) -> dict[str, str]:
    """Text by path inside `STUB_FOLDER`."""
    resource, package = STUB_FILES
    return {resource: _HEAD + _ABOUT + _stub(tuple(links)), package: _PACKAGE}


def _stub(links: tuple[LinkEntry, ...]) -> str:
    classes = _class_names(links)
    resources: dict[str, list[LinkEntry]] = {}
    for link in links:
        resources.setdefault(link.name, []).append(link)
    parts = ["import builtins as _builtins\nimport typing as _typing\n"]  # a resource may be called `str` or `Any`
    parts += [_class(name, *shape) for shape, name in classes.items()]
    parts += [_resource(name, found, classes) for name, found in resources.items()]
    return "\n".join(parts)


_Shape = tuple[str, tuple[tuple[str, str], ...]]


def _shape(link: LinkEntry) -> _Shape:
    return link.type, tuple(link.attributes.items())


def _class_names(links: Iterable[LinkEntry]) -> Mapping[_Shape, str]:
    """One class for all resources of a type that look alike. Names begin with `_`: code cannot import them."""
    names: dict[_Shape, str] = {}
    for shape in dict.fromkeys(map(_shape, links)):
        name = "_" + re.sub(r"\W", "_", shape[0], flags=re.ASCII)
        alike = sum(re.fullmatch(rf"{name}\d*", other) is not None for other in names.values())
        names[shape] = f"{name}{alike + 1}" if alike else name
    return names


def _class(name: str, type: str, attributes: tuple[tuple[str, str], ...]) -> str:
    lines = [f"class {name}:", *_attribute("type", f"_typing.Literal[{_quoted(type)}]")]
    for attribute, kind in attributes:
        lines += _attribute(attribute, _TYPES.get(kind, "_typing.Any"))
    return "\n".join(lines) + "\n"


def _attribute(name: str, kind: str) -> list[str]:
    return ["    @_builtins.property", f"    def {name}(self) -> {kind}: ..."]


def _resource(name: str, links: list[LinkEntry], classes: Mapping[_Shape, str]) -> str:
    kinds = dict.fromkeys(classes[_shape(link)] for link in links)
    paths = " or ".join(f"`{link.path}`" for link in links)
    return f'{name}: _typing.Final[{" | ".join(kinds)}]\n"""{links[0].type} {_plain(paths)}"""\n'


def _plain(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _quoted(text: str) -> str:
    return '"' + _plain(text) + '"'
