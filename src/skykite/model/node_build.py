"""How a function for Node is bundled: what the user may choose, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBuild:
    """`entry` is the handler's file, relative to the import root. The others are esbuild's options of these names:
    https://esbuild.github.io/api/. `external` are packages and globs besides those that the runtime has; `install` are
    packages that are not bundled but installed beside the bundle, for the function's machine."""

    entry: str
    format: Literal["esm", "cjs"] = "esm"
    external: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    minify: bool = False
    sourcemap: bool = True
    keep_names: bool = True
    define: tuple[tuple[str, str], ...] = ()
    loader: tuple[tuple[str, str], ...] = ()
    banner: str = ""
    tsconfig: str | None = None  # relative to the project root

    @property
    def suffix(self) -> str:
        """Of the bundle."""
        return ".mjs" if self.format == "esm" else ".cjs"
