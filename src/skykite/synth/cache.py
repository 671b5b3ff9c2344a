"""Where a synth keeps what every project can share: the unpacked kernel, compiled modules. Pure, but for the home."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Below Skykite's folder in the user's cache directory; `KITE_CACHE_DIR` overrides that."""
    chosen = environment.get("KITE_CACHE_DIR")
    if chosen:
        return Path(chosen) / "synth"
    if sys.platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "skykite" / "cache" / "synth"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "skykite" / "synth"
    shared = environment.get("XDG_CACHE_HOME", "")
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "skykite" / "synth"  # noqa: PTH117
