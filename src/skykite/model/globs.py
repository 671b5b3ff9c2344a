"""Patterns of paths: `*` within a name, `**` across folders, `?` one character; a folder matches with what is in it.

In: patterns as users write them. Out: a test for POSIX paths. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

_WILD: Final = {"**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path, relative and POSIX, is matched by any. A pattern without a slash matches at any depth, as in
    `.gitignore`."""
    compiled = re.compile("|".join(f"(?:{_regex(pattern)})" for pattern in patterns) or r"(?!)")
    return lambda path: compiled.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    pattern = pattern.replace("\\", "/").removeprefix("./")
    anywhere = "/" not in pattern.rstrip("/")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    return ("(?:.+/)?" if anywhere else "") + "".join(_WILD.get(one, re.escape(one)) for one in pieces) + "(?:/.*)?"
