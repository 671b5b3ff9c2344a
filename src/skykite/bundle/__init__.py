"""Function source to one zip: the user's code, its third-party packages, and `skykite_lambda`; and whole builds.

In: a `bundle` asset of the manifest. Out: a zip where the asset says, the same to the byte for the same input. I/O:
reads the import root; runs uv, which asks the package index; keeps what it made in Skykite's cache folder.

What is here loads when it is first named: `kite dev` reads lock files with this room, and builds only what it has to.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skykite.bundle.build_folder import check_replaceable, making, put_in_place, seal
    from skykite.bundle.bundler import Bundler
    from skykite.bundle.esbuild_tool import EsbuildTool
    from skykite.bundle.executables import ExecutableBuilds
    from skykite.bundle.export import export_assembly
    from skykite.bundle.inspection import inspect_bundle
    from skykite.bundle.node_builds import NodeBuilds
    from skykite.bundle.node_bundles import NodeBundles

__all__ = [
    "Bundler",
    "EsbuildTool",
    "ExecutableBuilds",
    "NodeBuilds",
    "NodeBundles",
    "check_replaceable",
    "export_assembly",
    "inspect_bundle",
    "making",
    "put_in_place",
    "seal",
]

_HOMES = {
    "Bundler": "bundler",
    "EsbuildTool": "esbuild_tool",
    "ExecutableBuilds": "executables",
    "NodeBuilds": "node_builds",
    "NodeBundles": "node_bundles",
    "check_replaceable": "build_folder",
    "export_assembly": "export",
    "inspect_bundle": "inspection",
    "making": "build_folder",
    "put_in_place": "build_folder",
    "seal": "build_folder",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
