"""The blocks of the guides, by section: a block that begins with the name of a file is that file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
_BLOCK = re.compile(r"^```(?:python|toml|ts)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:#|//) ([\w/.-]+\.(?:py|toml|ts))\n")

Blocks = list[tuple[str | None, str]]
"""The name of the file, if it is one, and the text."""


def sections(guide: str) -> dict[str, Blocks]:
    """By the heading of the section."""
    found: dict[str, Blocks] = {}
    for section in re.split(r"^## ", (GUIDES / guide).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for text in _BLOCK.findall(section):
            named = _FILE.match(text)
            found.setdefault(title, []).append((named.group(1) if named else None, text))
    return found


def code_of(guide: str, title: str, file: str) -> dict[str, Any]:
    """What a file of a section defines."""
    (text,) = [text for name, text in sections(guide)[title] if name == file]
    space: dict[str, Any] = {"__name__": file}
    exec(compile(text, file, "exec"), space)
    return space
