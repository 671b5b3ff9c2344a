"""Where a tsconfig has imports lead that look like those of packages: its `paths` and its `baseUrl`.

In: its text, and specifiers. Out: paths, without endings, that esbuild would look at. Pure.

More than it would look at: which of several tsconfigs counts for a file, it decides; here all that are there do.
https://esbuild.github.io/content-types/#tsconfig-json
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_COMMENT: Final = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.S)
_COMMA: Final = re.compile(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])', re.S)
_CONFIG_DIR: Final = "${configDir}"


@dataclass(frozen=True, slots=True)
class Aliases:
    """Of one tsconfig, as it has them."""

    base: str | None
    paths: tuple[tuple[str, tuple[str, ...]], ...]


def read_aliases(text: str) -> Aliases:
    """Of a text that is no tsconfig, none: esbuild says what is wrong with it."""
    try:
        document = json.loads(_COMMA.sub(r"\1", _COMMENT.sub(r"\1", text)))
    except ValueError:
        return Aliases(None, ())
    options = _mapping(_mapping(document).get("compilerOptions"))
    base = options.get("baseUrl")
    paths = tuple(
        (pattern, tuple(one for one in targets if isinstance(one, str)))
        for pattern, targets in _mapping(options.get("paths")).items()
        if isinstance(targets, list)
    )
    return Aliases(base if isinstance(base, str) else None, paths)


def aliased(specifier: str, settings: Mapping[str, Aliases]) -> list[str]:
    """`settings` are by their files."""
    folders = [file.rpartition(os.sep)[0] for file in settings]
    bases = [_at(folder, one.base) for folder, one in zip(folders, settings.values(), strict=True) if one.base]
    found = [_at(base, specifier) for base in bases]
    for pattern, targets in (said for one in settings.values() for said in one.paths):
        rest = _fits(specifier, pattern)
        if rest is not None:
            found += [_at(place, one.replace("*", rest)) for one in targets for place in (*bases, *folders)]
    return list(dict.fromkeys(found))


def _fits(specifier: str, pattern: str) -> str | None:
    """What the star of a pattern stands for."""
    before, star, after = pattern.partition("*")
    if not star:
        return "" if specifier == pattern else None
    if len(specifier) < len(before) + len(after) or not specifier.startswith(before) or not specifier.endswith(after):
        return None
    return specifier[len(before) : len(specifier) - len(after)]


def _at(folder: str, path: str) -> str:
    return os.path.normpath(
        f"{folder}{os.sep}{path.removeprefix(_CONFIG_DIR)}" if not Path(path).is_absolute() else path
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
