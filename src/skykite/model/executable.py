"""How an executable is built: what `provided.al2023` runs.

A function of the kind `executable` is a folder, its import root, that holds or becomes a `bootstrap`. I/O: asks which
files there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

BOOTSTRAP: Final = "bootstrap"
"""What Lambda starts, and what functions of this kind are deployed with as their handler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutableBuild:
    """How the import root of an executable becomes a `bootstrap`: by a preset for its language, or by a `command` that
    is run there and leaves `output`, a file or a folder that holds `bootstrap`. With neither it is there already. What
    runs on this machine is made by `local_command`, which leaves `local_output`, if it takes another. `inputs` are read
    besides the import root: files and folders, relative to the project root; `exclude` are globs of what is no source,
    relative to the import root."""

    preset: Literal["go", "rust"] | None = None
    command: str | None = None
    output: str = "bootstrap"
    local_command: str | None = None
    local_output: str | None = None
    inputs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def is_built(self) -> bool:
        return self.preset is not None or self.command is not None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What commands leave in the import root."""
        return tuple(path for path in (self.output, self.local_output) if path) if self.command is not None else ()


def handler_facts(folder: Path) -> str:
    """Everything about a folder, and those it is in, that decides how what is in it is built."""
    if not folder.is_dir():
        return "no folder"
    found = [name for name in (BOOTSTRAP, "Cargo.toml") if (folder / name).is_file()]
    if any(folder.glob("*.go")):
        found.append("*.go")
    for above in (folder, *folder.parents):
        found += [str(above / name) for name in ("go.work", "go.mod") if (above / name).is_file()]
        if is_workspace(above / "Cargo.toml"):
            found.append(str(above))
    return " ".join(found)


def is_workspace(manifest: Path) -> bool:
    """Whether that is the `Cargo.toml` of a workspace."""
    try:
        lines = manifest.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip().startswith("[workspace") for line in lines)
