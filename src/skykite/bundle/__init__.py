"""Function source to one zip: the user's code, its third-party packages, and `skykite_lambda`; and whole builds.

In: a `bundle` asset of the manifest. Out: a zip where the asset says, the same to the byte for the same input. I/O:
reads the import root; runs uv, which asks the package index; keeps what it made in Skykite's cache folder.
"""

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
