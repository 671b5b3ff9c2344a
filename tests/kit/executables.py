"""A runtime whose functions are executables, each beside its test: folders that hold a `bootstrap`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.runtime import FunctionProject, RealClock, RecordedEvents, function_config
from skykite.model.built import BuildInput, BuildInputs, BuiltSource
from skykite.model.invocation import FunctionConfig, Handler
from skykite.model.names import FunctionId
from skykite.runtime import Runtime
from skykite.runtime.executables import ExecutableLauncher
from skykite.runtime.starter import Starter
from skykite_lambda.tracking import stat_of

LOOP = """
#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while :; do
  event=$(curl -sS -D headers.$$ "$api/invocation/next") || exit 1
  id=$(sed -n 's/^Lambda-Runtime-Aws-Request-Id: *//p' headers.$$ | tr -d '\\r')
  BODY
done
"""
ECHO = 'curl -sS -d "$event" "$api/invocation/$id/response"'


class ReadyMade:
    """`SourceBuilds` of folders that hold what is run."""

    async def build(self, config: FunctionConfig) -> BuiltSource:
        file = str(config.import_root / "bootstrap")
        return BuiltSource(
            folder=config.import_root,
            file="bootstrap",
            inputs=BuildInputs(files=(BuildInput(path=file, stat=stat_of(file)),)),
        )


@dataclass
class ExecutableProject(FunctionProject):
    """`define` takes a folder."""

    folders: dict[str, Path] = field(default_factory=dict)

    async def define(self, handler: str, **changes: Any) -> FunctionId:
        changed = {
            "id": FunctionId(handler),
            "import_root": self.root / handler,
            "handler": Handler(path=handler, function="bootstrap"),
            "runtime": "provided.al2023",
            "kind": "executable",
            **changes,
        }
        config = function_config(self.root, f"{handler}.bootstrap")
        self.configs[handler] = replace(config, **changed)
        await self.runtime.configure(list(self.configs.values()))
        return FunctionId(handler)


def write_executable(root: Path, folder: str, text: str) -> Path:
    """`bootstrap` in that folder."""
    file = root / folder / "bootstrap"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".new")
    partial.write_text(textwrap.dedent(text).lstrip("\n"))
    partial.chmod(0o755)
    partial.replace(file)
    return file


def shell(body: str) -> str:
    """A shell script that runs this for each invocation."""
    return LOOP.replace("BODY", textwrap.dedent(body).strip().replace("\n", "\n  "))


@asynccontextmanager
async def executable_project(
    root: Path, *, max_workers: int = 8, builds: Any = None, **more: Any
) -> AsyncIterator[ExecutableProject]:
    """A started runtime for the folders in `root`; stopped in the end."""
    events = RecordedEvents()
    starter = Starter(Path(sys.executable), mode="spawn")
    runtime = Runtime(
        interpreter=Path(sys.executable),
        events=events,
        clock=RealClock(),
        max_workers=max_workers,
        starter=starter,
        launchers={"executable": ExecutableLauncher(builds or ReadyMade(), **more)},
    )
    await runtime.start()
    try:
        yield ExecutableProject(root=root, runtime=runtime, events=events, starter=starter)
    finally:
        await runtime.stop()
