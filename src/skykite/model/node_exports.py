"""What a file for Node exports, and in which of the two forms of modules, told without running it.

In: its text. Out: names, and whether there may be others; the form. I/O: `module_format` reads the file.

It goes by the form of what is written, not by parsing: what is in a comment counts as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_COMMONJS: Final = (".cjs", ".cts")
_DECLARED: Final = re.compile(
    r"\bexport\s+(?:declare\s+)?(?:async\s+)?(?:function\s*\*?|const|let|var|class|abstract\s+class|enum)\s+"
    r"([A-Za-z_$][\w$]*)"
)
_LISTED: Final = re.compile(r"\bexport\s*(?:type\s*)?\{([^}]*)\}")
_ASSIGNED: Final = re.compile(r"\bexports\.([A-Za-z_$][\w$]*)\s*=")
_GIVEN_AWAY: Final = r"\bexports\s*(?:\)|,(?!\s*[\"']__esModule))"
"""To a function that adds to it, as compilers write it."""

_COMMONJS_FORM: Final = re.compile(rf"\bmodule\.exports\b|\bexports\.|{_GIVEN_AWAY}|^\s*export\s*=", re.M)
_ANYTHING: Final = re.compile(
    rf"\bexport\s*\*|\bmodule\.exports\b|\bexports\s*\[|{_GIVEN_AWAY}"
    r"|\bexport\s+(?:const|let|var)\s*[\[{]|export\s*="
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """`names` in the file's order. An `open` file may export anything."""

    names: tuple[str, ...]
    open: bool

    def may_export(self, name: str) -> bool:
        return self.open or name in self.names


def read_exports(text: str) -> Exports:
    """What a module exports, by the form of it. One that is commented out counts."""
    names = [found[1] for found in _DECLARED.finditer(text)]
    for found in _LISTED.finditer(text):
        for one in found[1].split(","):
            words = one.split()
            names += words[-1:]
    names += [found[1] for found in _ASSIGNED.finditer(text)]
    if re.search(r"\bexport\s+default\b", text):
        names.append("default")
    return Exports(names=tuple(dict.fromkeys(names)), open=_ANYTHING.search(text) is not None)


def module_format(file: Path) -> Literal["esm", "cjs"]:
    """A file that sets `exports` and has no `export` is CommonJS, as its name may say too."""
    if file.suffix in _COMMONJS:
        return "cjs"
    if file.suffix == ".mjs":
        return "esm"
    text = file.read_text(encoding="utf-8", errors="replace")
    return "cjs" if _COMMONJS_FORM.search(text) and not read_exports(text.replace("exports", "")).names else "esm"
