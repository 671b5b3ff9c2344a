"""Start by path: make this folder, and nothing beside it, importable as `skykite_cloud`, then serve."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

if not __package__:
    # Putting the parent folder on sys.path would expose the site-packages Skykite is installed in.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    spec = importlib.util.spec_from_file_location(
        "skykite_cloud", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["skykite_cloud"] = package
    spec.loader.exec_module(package)

if __name__ == "__main__":
    from skykite_cloud.server import main

    main()
