"""Projects with stacks: written to a folder, and built either in this process (constructs) or by a real synth."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skykite.errors import SkykiteError
from skykite.model.events import Event
from skykite.model.locations import cache_directory
from skykite.model.manifest import MANIFEST_FILE, Manifest, Mode, decode_manifest
from skykite.model.names import AppName, StageName
from skykite.model.synthesis import SYNTHESIS_VARIABLE, Synthesis, encode_synthesis
from skykite.synth.node import find_node

HANDLERS = "def get(event, context): ...\n\n\ndef create(event, context): ...\n"


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class EventLog:
    """Keeps every event."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def write_project(root: Path, files: dict[str, str]) -> Path:
    """Files by path, dedented; a kite.toml and `functions/notes.py` unless they are given."""
    everything = {"kite.toml": 'name = "notes"\nregion = "eu-west-1"\n', "functions/notes.py": HANDLERS, **files}
    for path, text in everything.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(textwrap.dedent(text), encoding="utf-8")
    return root


def synthesis_of(
    root: Path,
    *,
    mode: Mode = "local",
    stage: str = "alice",
    main: str = "stacks/app.py",
    functions: tuple[str, ...] | None = None,
) -> Synthesis:
    return Synthesis(
        app=AppName("notes"),
        stage=StageName(stage),
        region="eu-west-1",
        mode=mode,
        project_root=str(root),
        main=main,
        outdir=str(root / ".kite" / stage / "assembly"),
        functions=functions,
    )


@dataclass(frozen=True)
class Built:
    """An assembly on disk."""

    directory: Path

    @property
    def manifest(self) -> Manifest:
        return decode_manifest((self.directory / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)

    def template(self, stack: str = "NotesStack") -> dict[str, Any]:
        path = next(entry.template for entry in self.manifest.stacks if entry.path == stack)
        data: dict[str, Any] = json.loads((self.directory / path).read_text())
        return data

    def resources(self, type: str, stack: str = "NotesStack") -> list[dict[str, Any]]:
        return [found for found in self.template(stack)["Resources"].values() if found["Type"] == type]

    def only(self, type: str, stack: str = "NotesStack") -> dict[str, Any]:
        (found,) = self.resources(type, stack)
        properties: dict[str, Any] = found.get("Properties", {})
        return properties


def load_cdk() -> None:
    """Make aws_cdk importable here, with Node from its wheel, and quickly from the second time on."""
    os.environ.setdefault("JSII_NODE", str(find_node(os.environ)))
    os.environ.setdefault("CDK_VALIDATION", "false")
    if sys.dont_write_bytecode and "aws_cdk" not in sys.modules:
        sys.pycache_prefix = str(cache_directory(os.environ) / "synth" / "bytecode")
        sys.dont_write_bytecode = False


def build(
    root: Path,
    define: Callable[[Any], None],
    *,
    mode: Mode = "deploy",
    stage: str = "alice",
    functions: tuple[str, ...] | None = None,
) -> Built:
    """Run `define(app)` in this process."""
    load_cdk()
    synthesis = synthesis_of(root, mode=mode, stage=stage, functions=functions)
    os.environ[SYNTHESIS_VARIABLE] = encode_synthesis(synthesis)
    try:
        from skykite import App

        app = App()
    finally:
        del os.environ[SYNTHESIS_VARIABLE]
    define(app)
    return Built(Path(app.synth().directory))


def build_source(root: Path, source: str, **options: Any) -> Built:
    """Run the `main` of `stacks/app.py` with this text, in this process; errors name its lines."""
    file = root / "stacks" / "app.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(source, encoding="utf-8")
    load_cdk()
    module: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, str(file), "exec"), module)  # an import could take stale bytecode: same second, same size
    return build(root, module["main"], **options)


def error_text(error: SkykiteError) -> str:
    """Everything a user is shown of an error, as one text."""
    parts = [f"{error.code}\n  {error.message}", error.context or "", f"hint: {error.hint}" if error.hint else ""]
    return "\n".join(part for part in parts if part)
