"""What the process that runs the user's stacks is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from skykite.model.manifest import Mode
from skykite.model.names import AppName, StageName
from skykite.model.project import LiveCredentials

SYNTHESIS_VARIABLE: Final = "KITE_SYNTHESIS"
"""Environment variable of the synth process; its value is a `Synthesis` as JSON. `skykite.App()` reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """One run of the user's program. Paths are absolute; `main` is relative to `project_root`.
    `live_credentials` is what kite.toml says; the program may say otherwise."""

    app: AppName
    stage: StageName
    region: str
    mode: Mode
    project_root: str
    main: str
    outdir: str
    functions: tuple[str, ...] | None = None  # those to be live, by id or handler or the end of one; None means all
    live_credentials: LiveCredentials = "role"


def encode_synthesis(synthesis: Synthesis) -> str:
    return msgspec.json.encode(synthesis).decode()


def decode_synthesis(text: str) -> Synthesis:
    return msgspec.json.decode(text, type=Synthesis)
