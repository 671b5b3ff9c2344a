"""What of a Node handler's file the synthesis depends on. I/O: looks for the file, and reads it."""

from __future__ import annotations

from pathlib import Path

from skykite.model.node_exports import module_format, read_exports
from skykite.model.runtimes import NODE_SUFFIXES
from skykite.model.source import NODE_MARKERS, find_import_root


def handler_facts(stem: Path, function: str, project_root: Path) -> str:
    """Everything that decides how the function is synthesized, and no more: equal facts give equal templates. `stem` is
    the file's absolute path without its suffix."""
    files = [file for suffix in NODE_SUFFIXES if (file := stem.with_name(stem.name + suffix)).is_file()]
    facts = [str(find_import_root(stem, project_root, markers=NODE_MARKERS))]
    for file in files:
        exports = read_exports(file.read_text(encoding="utf-8", errors="replace"))
        facts += [file.name, module_format(file), str(exports.may_export(function))]
    return " ".join(facts)
