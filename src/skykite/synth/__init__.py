"""Run the user's program and bring back a cloud assembly with its manifest, fast.

Names load when they are first used: the synth process is inside this package, and needs none of what starts it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skykite.synth.runner import SynthError, SynthResult, fingerprint_file, synthesize
    from skykite.synth.validation import validate

__all__ = ["SynthError", "SynthResult", "fingerprint_file", "synthesize", "validate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = (
        "validation" if name == "validate" else "runner"
    )  # named unlike what they hold: a submodule is bound here, too
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
