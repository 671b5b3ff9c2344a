"""Where Skykite keeps what all projects of a user share: the embedded cloud's environment, bundles, the CDK kernel.

Pure, but for asking the system which one it is and where home is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Skykite's folder in the user's cache directory; `KITE_CACHE_DIR` overrides it."""
    chosen = environment.get("KITE_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "skykite" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "skykite"
    shared = environment.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "skykite"  # noqa: PTH117
