"""Import the project's own modules from their source, never from compiled bytecode.

Python takes bytecode for current when its source has the same size and the same second of change. Somebody who saves
twice in a second, as an editor's formatter does, would get stacks that are one save old. Installed packages keep their
bytecode: compiling aws_cdk takes seconds. In: the project root. I/O: changes how this process imports.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType


class _SourceOnlyLoader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_from_source(root: Path) -> None:
    """For every folder of the project that is on the way of an import from now on."""
    make_finder = importlib.machinery.FileFinder.path_hook(
        (_SourceOnlyLoader, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    )

    def hook(path: str) -> importlib.machinery.FileFinder:
        try:
            parts = Path(path or ".").resolve().relative_to(root.resolve()).parts
        except ValueError:
            raise ImportError(f"{path} is not in the project") from None
        if "site-packages" in parts or any(part.startswith(".") for part in parts):
            raise ImportError(f"{path} is not the project's own")
        return make_finder(path)  # type: ignore[return-value]

    hooks: list[Callable[[str], object]] = sys.path_hooks  # type: ignore[assignment]
    hooks.insert(0, hook)
    for path in list(sys.path_importer_cache):
        if path == "" or Path(path).is_relative_to(root):
            del sys.path_importer_cache[path]
