"""How a function for Node is to be bundled: `node={…}` checked, with what its source says filled in.

In: what the user gave, the handler's file. Out: a `NodeBuild`, or a PropProblem. I/O: reads the handler's file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from skykite.constructs.props import NodeProps, PropProblem, check_choice, check_known, check_type, shown
from skykite.model.node_build import NodeBuild
from skykite.model.node_exports import module_format

_LOADERS: Final = (
    *("base64", "binary", "copy", "css", "dataurl", "default", "empty", "file"),
    *("global-css", "js", "json", "jsx", "local-css", "text", "ts", "tsx"),
)


def node_build(given: object, entry: str, file: Path, root: Path) -> NodeBuild:
    """`entry` is the file relative to its import root."""
    check_type("node", given, Mapping, 'a dict such as {"external": ["sharp"]}')
    options = dict(cast("Mapping[str, Any]", given))
    check_known(options, tuple(NodeProps.__annotations__), within="`node`")
    found: dict[str, Any] = {"entry": entry, "format": options.get("format") or module_format(file)}
    check_choice('node["format"]', found["format"], ("esm", "cjs"))
    for name in ("minify", "sourcemap", "keep_names"):
        if name in options:
            check_type(f"node[{name!r}]", options[name], bool, "True or False")
            found[name] = options[name]
    for name in ("external", "install"):
        found[name] = _names(name, options.get(name, ()))
    for name in ("define", "loader"):
        found[name] = _pairs(name, options.get(name, {}))
    _check_defined(found["define"])
    _check_loaders(found["loader"])
    if "banner" in options:
        check_type('node["banner"]', options["banner"], str, "a string")
        found["banner"] = options["banner"]
    if "tsconfig" in options:
        check_type('node["tsconfig"]', options["tsconfig"], str, "a path")
        if not (root / options["tsconfig"]).is_file():
            raise PropProblem(
                "prop-value",
                f'was given node["tsconfig"]={shown(options["tsconfig"])}, which does not exist',
                hint="it is relative to the folder of kite.toml",
            )
        found["tsconfig"] = options["tsconfig"]
    return NodeBuild(**found)


def _names(name: str, given: object) -> tuple[str, ...]:
    listed = given if isinstance(given, Sequence) and not isinstance(given, str) else None
    if listed is None or not all(isinstance(one, str) and one for one in listed):
        raise PropProblem(
            "prop-type",
            f'was given node["{name}"]={shown(given)}, which is not a list of packages',
            hint=f"write [{given!r}]" if isinstance(given, str) else None,
        )
    return tuple(sorted(set(cast("Sequence[str]", listed))))


def _pairs(name: str, given: object) -> tuple[tuple[str, str], ...]:
    check_type(f'node["{name}"]', given, Mapping, "a dict of strings to strings")
    pairs = cast("Mapping[object, object]", given)
    for key, value in pairs.items():
        check_type(f'node["{name}"]: {key}', value, str, "a string")
    return tuple(sorted((str(key), str(value)) for key, value in pairs.items()))


def _check_defined(pairs: Sequence[tuple[str, str]]) -> None:
    """https://esbuild.github.io/api/#define"""
    for name, value in pairs:
        try:
            json.loads(value)
        except ValueError:
            if not all(part.isidentifier() for part in value.replace("$", "_").split(".")):
                raise PropProblem(
                    "prop-value",
                    f'was given node["define"]: {name}={shown(value)}, which is neither JSON nor a name',
                    hint=f"a string is written {json.dumps(value)!r}",
                ) from None


def _check_loaders(pairs: Sequence[tuple[str, str]]) -> None:
    for suffix, loader in pairs:
        if not suffix.startswith("."):
            raise PropProblem(
                "prop-value",
                f'was given node["loader"]: {shown(suffix)}, which is no ending of a file\'s name',
                hint=f'write {{".{suffix}": "{loader}"}}',
            )
        check_choice(f'node["loader"]["{suffix}"]', loader, _LOADERS)
