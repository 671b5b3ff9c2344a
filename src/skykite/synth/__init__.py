"""Run the user's program and bring back a cloud assembly with its manifest, fast.

Names load when they are first used: the synth process is inside this package, and needs none of what starts it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skykite.synth.runner import SynthError, SynthResult, fingerprint_file, synthesize
    from skykite.synth.spare import Spare
    from skykite.synth.validation import validate

__all__ = ["Spare", "SynthError", "SynthResult", "fingerprint_file", "synthesize", "validate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Named unlike what they hold: a submodule is bound here, too.
    home = {"validate": "validation", "Spare": "spare"}.get(name, "runner")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
